"""The process of this program: how it starts and ends, its streams, its children."""
