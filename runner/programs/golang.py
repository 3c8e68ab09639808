"""What Go's linker wrote into a program about how it was built."""

import mmap
import re
from pathlib import Path

# debug/buildinfo: behind 32 bytes of header stands a text with its length (Go 1.18).
_MAGIC = b"\xff Go buildinf:"
_VERSION = re.compile(rb"go1\.(\d{1,3})")
_AFTER_MAGIC = 64


def minor_version(path: Path) -> int | None:
    """Return 26 of a program that Go 1.26 built; None of any other.

    Raises OSError.
    """
    at = find(path, _MAGIC)
    if at is None:
        return None
    with path.open("rb") as stream:
        stream.seek(at)
        match = _VERSION.search(stream.read(_AFTER_MAGIC))
    return int(match[1]) if match else None


def find(path: Path, words: bytes) -> int | None:
    """Return where bytes first stand in a file. Raises OSError."""
    with path.open("rb") as stream:
        try:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                at = content.find(words)
        except ValueError:
            # An empty file can't be mapped.
            return None
    return None if at < 0 else at
