"""Programs of this machine that run in a guest: what they are, and what they need."""
