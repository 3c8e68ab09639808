"""What compresses the kernel inside an image: scripts/Makefile.lib of the kernel."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator

import lz4.block
import zstandard

from runner.errors import ArtifactError
from runner.kernels import packed

# Bytes of a kernel without debug information; Debian's are 60 MB.
LARGEST = 512 << 20

_ELF_MAGIC = b"\x7fELF"
_LZ4_BLOCK = 8 << 20
_PIECE = 1 << 16
# What the libraries raise for damaged data.
_DAMAGE = (
    lzma.LZMAError,
    zlib.error,
    zstandard.ZstdError,
    lz4.block.LZ4BlockError,
    OSError,
    ValueError,
    EOFError,
    struct.error,
)


def unpacked(payload: bytes) -> bytes:
    """Return the kernel that a payload is, compressed in any way or in none.

    Raises ArtifactError.
    """
    known = (it for magic, it in _COMPRESSIONS.items() if payload.startswith(magic))
    name, unpack = next(known, ("", None))
    if unpack is None:
        raise ArtifactError(
            f"the kernel image is compressed in an unknown way ({payload[:6].hex()})"
        )
    try:
        return unpack(payload)
    except _DAMAGE as error:
        raise ArtifactError(
            f"the kernel image can't be decompressed by {name}: {error}"
        ) from error


def places(image: bytes) -> Iterator[int]:
    """Yield where in an image compressed data may begin, in their order."""
    found = (
        at
        for magic in _COMPRESSIONS
        if magic not in _SHORT
        for at in _occurrences(image, magic)
    )
    yield from sorted(found)


def _occurrences(image: bytes, magic: bytes) -> Iterator[int]:
    at = image.find(magic)
    while at >= 0:
        yield at
        at = image.find(magic, at + 1)


def _limited(chunks: Iterator[bytes]) -> bytes:
    """Join chunks as long as they stay within reason."""
    output = bytearray()
    for chunk in chunks:
        output += chunk
        if len(output) > LARGEST:
            raise ValueError(f"it grows beyond {LARGEST >> 20} MiB")
    return bytes(output)


def _gzip(data: bytes) -> bytes:
    return packed.whole(zlib.decompressobj(wbits=31), data, LARGEST)


def _lzma(data: bytes) -> bytes:
    return packed.xz(data, LARGEST, format=lzma.FORMAT_ALONE)


def _bzip2(data: bytes) -> bytes:
    return packed.whole(bz2.BZ2Decompressor(), data, LARGEST)


def _zstd(data: bytes) -> bytes:
    # Fed in pieces, so that it stops at the frame's end: the payload's last four bytes
    # are its size.
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(data), _PIECE):
            if decompressor.eof:
                return
            yield decompressor.decompress(data[start : start + _PIECE])
        if not decompressor.eof:
            raise EOFError("it ends too early")

    return _limited(chunks())


def _lz4(data: bytes) -> bytes:
    # The legacy frame: blocks behind their size; then the size of it all.
    def chunks() -> Iterator[bytes]:
        position = 4
        while position + 8 <= len(data):
            (size,) = struct.unpack_from("<I", data, position)
            position += 4
            block = data[position : position + size]
            yield lz4.block.decompress(block, uncompressed_size=_LZ4_BLOCK)
            position += size

    return _limited(chunks())


# Too many places have these bytes by chance.
_SHORT = (b"\x5d\0\0", b"BZh", _ELF_MAGIC)

# What compressed data begins with → how it is called, and unpacked.
_COMPRESSIONS: dict[bytes, tuple[str, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": ("gzip", _gzip),
    b"\xfd7zXZ\0": ("xz", lambda data: packed.xz(data, LARGEST)),
    b"\x5d\0\0": ("lzma", _lzma),
    b"BZh": ("bzip2", _bzip2),
    b"\x02\x21\x4c\x18": ("lz4", _lz4),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
    # An image that is not compressed at all.
    _ELF_MAGIC: ("nothing", bytes),
}
