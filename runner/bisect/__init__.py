"""What happened between two kernel versions: the first bad one, and sweeps."""
