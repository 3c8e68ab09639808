"""matrix.yaml: its rows, and which of them a command means."""
