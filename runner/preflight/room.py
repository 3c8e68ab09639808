"""Memory that the engine shares, where it finds what files hold."""

import mmap
import os
from collections.abc import Sequence

from runner.preflight.errors import BadBtfError

# Bytes, of which only those that were written take memory. A large kernel's modules
# have 60 MB of BTF together.
_SIZE = 256 << 20

# What the engine expects behind each payload: PADDING in request.h.
_PADDING = bytes(64)


class Room:
    """An unnamed file in memory, mapped here and in the engine."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("preflight")
        os.ftruncate(self.descriptor, _SIZE)
        self._memory = mmap.mmap(self.descriptor, _SIZE)

    def put(self, payloads: Sequence[bytes | memoryview]) -> None:
        """Write payloads one after the other, as the engine looks for them.

        Raises BadBtfError when they are too large.
        """
        if sum(len(it) + len(_PADDING) for it in payloads) > _SIZE:
            raise BadBtfError(
                f"is larger than {_SIZE >> 20} MB with its modules",
                hint="a kernel's BTF has at most 20 MB, and its modules' 60 MB",
            )
        at = 0
        for payload in payloads:
            for part in (payload, _PADDING):
                self._memory[at : at + len(part)] = part
                at += len(part)

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.descriptor)
