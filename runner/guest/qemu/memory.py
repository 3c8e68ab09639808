"""Files that are in memory only."""

import os
from dataclasses import dataclass


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


@dataclass(frozen=True, kw_only=True)
class GuestWindow:
    """What a guest reads through its window; see `runner.guest.agent.Window`."""

    descriptor: int
    # Bytes.
    size: int

    def write(self, data: bytes) -> None:
        """Put bytes at its start."""
        view, at = memoryview(data), 0
        while at < len(view):
            at += os.pwrite(self.descriptor, view[at:], at)
