"""Kernels of Ubuntu's series, out of archives in Ubuntu's layout."""
