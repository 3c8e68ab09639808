"""A guest: its machine, its image, its agent, and what runs in it."""
