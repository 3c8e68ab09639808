"""A run: its kernels, their guests, who works in them, its plan and what came of it."""
