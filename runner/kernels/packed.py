"""Compressed data that comes from elsewhere: unpacked within reason."""

import gzip
import lzma
from collections.abc import Iterator
from typing import IO, Protocol, cast

import zstandard

# Bytes that unpacking may take besides what comes of it: xz -9 asks for 65 MiB.
_MEMORY = 512 << 20
_PIECE = 1 << 20
_GZIP, _ZSTD, _XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"


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


def pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield what a file holds, which its first bytes tell how to unpack.

    It is packed by gzip, xz, zstd or not at all. Raises EOFError, OSError, zlib.error,
    lzma.LZMAError and zstandard.ZstdError for a damaged one.
    """
    magic = stream.read(len(_XZ))
    stream.seek(0)
    if magic == _XZ:
        yield from _xz_pieces(stream)
    elif magic.startswith(_ZSTD):
        unpacker = zstandard.ZstdDecompressor(max_window_size=_MEMORY)
        with unpacker.stream_reader(stream, read_across_frames=True) as reader:
            yield from _read(reader)
    elif magic.startswith(_GZIP):
        with gzip.open(stream) as unzipped:
            yield from _read(cast(IO[bytes], unzipped))
    else:
        yield from _read(stream)


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


def _xz_pieces(stream: IO[bytes]) -> Iterator[bytes]:
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY)
    while not unpacker.eof:
        data = stream.read(_PIECE) if unpacker.needs_input else b""
        if unpacker.needs_input and not data:
            raise EOFError("it ends too early")
        yield unpacker.decompress(data, _PIECE)
