"""What is known of a kernel: its vendor, and what it has."""
