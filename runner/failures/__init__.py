"""What went wrong: classes of failures, and how words of the kernel are classified."""
