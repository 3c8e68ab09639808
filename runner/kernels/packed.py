"""Compressed data that comes from elsewhere: unpacked whole, and within reason."""

import lzma
from typing import Protocol

# Bytes that unpacking may take besides what comes of it: xz -9 asks for 65 MiB.
_MEMORY = 512 << 20


class Decompressor(Protocol):
    """One of zlib's, lzma's or bz2's."""

    @property
    def eof(self) -> bool:
        """Whether the end was there."""

    def decompress(self, data: bytes, most: int, /) -> bytes:
        """Return what data holds, up to a number of bytes."""


def whole(decompressor: Decompressor, data: bytes, most: int) -> bytes:
    """Return all that data holds. Raises EOFError when it is cut short or too large."""
    output = decompressor.decompress(data, most)
    if not decompressor.eof:
        raise EOFError("it ends too early, or is too large")
    return output


def xz(data: bytes, most: int, *, format: int = lzma.FORMAT_XZ) -> bytes:
    """Return what was compressed by xz. Raises EOFError, lzma.LZMAError."""
    return whole(lzma.LZMADecompressor(format=format, memlimit=_MEMORY), data, most)
