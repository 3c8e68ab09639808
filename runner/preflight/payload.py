"""What files hold, on its way to the engine: as descriptors, so that it maps them."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# A file's content, or the file that holds it and nothing else.
Payload = bytes | memoryview | Path

# Descriptors that one message takes: SCM_MAX_FD in the kernel.
_AT_ONCE = 253


@contextmanager
def opened(payloads: Sequence[Payload]) -> Iterator[dict[int, int]]:
    """Open payloads; give their sizes by their descriptors. Raises OSError."""
    found: dict[int, int] = {}
    try:
        for payload in payloads:
            descriptor, size = _open(payload)
            found[descriptor] = size
        yield found
    finally:
        for descriptor in found:
            os.close(descriptor)


def _open(payload: Payload) -> tuple[int, int]:
    if isinstance(payload, Path):
        descriptor = os.open(payload, os.O_RDONLY | os.O_CLOEXEC)
        return descriptor, os.fstat(descriptor).st_size
    descriptor = os.memfd_create("preflight")
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(payload)
    return descriptor, len(payload)


def send(to: socket.socket, line: bytes, descriptors: Sequence[int]) -> None:
    """Send a line, and descriptors next to it. Raises OSError."""
    for start in range(0, len(descriptors), _AT_ONCE):
        # JSON may begin with blanks, and a descriptor comes with a byte.
        socket.send_fds(to, [b" "], descriptors[start : start + _AT_ONCE])
    to.sendall(line)
