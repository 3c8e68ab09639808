"""Files that are in memory only."""

import os


def memory_file(name: str, data: bytes | memoryview = b"") -> int:
    """Return a descriptor of a file that is in memory only."""
    descriptor = os.memfd_create(name)
    with os.fdopen(os.dup(descriptor), "wb") as stream:
        stream.write(data)
    return descriptor


def guest_memory(size: int) -> int:
    """Return a descriptor of a guest's memory, `size` MiB that are all zero."""
    descriptor = os.memfd_create("memory", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size << 20)
    return descriptor
