"""The kernel-matrix CI for CO-RE BPF objects."""

__version__ = "0.1.0"
