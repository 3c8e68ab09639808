"""What is in BPF objects and in BTF, and what the kernel's tools print of it."""
