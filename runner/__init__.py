"""The kernel-matrix CI for CO-RE BPF objects."""

__version__ = "0.2.0.dev0"
