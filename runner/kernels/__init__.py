"""Kernels and all their files: fetched, verified, kept."""
