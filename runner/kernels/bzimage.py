"""What is inside an x86 kernel image: the ELF file, and its BTF.

Layout: Documentation/arch/x86/boot.rst in the kernel (boot protocol 2.08 and later).
"""

import bz2
import lzma
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime

import lz4.block
import zstandard

from runner.errors import ArtifactError
from runner.kernels import elfsections, packed

# Of a vmlinux without debug information; Debian's are 60 MB.
LARGEST = 512 << 20

_HEADER_MAGIC = 0x202
_MAGIC = b"HdrS"
_ELF_MAGIC = b"\x7fELF"
_SETUP_SECTORS = 0x1F1
_VERSION = 0x206
# Of protocol 2.00 and later: where the banner stands, less 0x200.
_KERNEL_VERSION = 0x20E
_LONGEST_BANNER = 512
# Debian writes "(2026-07-04)"; others as date(1) does: "Tue Nov 14 13:30:08 UTC 2023".
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_CTIME = re.compile(
    r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d+) "
    r"[\d:]+ (?:\w+ )?(\d{4})"
)
_PAYLOAD = 0x248
_SECTOR = 512
_PROTOCOL_WITH_PAYLOAD = 0x208
_BTF_MAGIC = 0xEB9F
# Around a gzip file; source: kernel/configs.c.
_CONFIG_START = b"IKCFG_ST"
_CONFIG_END = b"IKCFG_ED"
_LZ4_BLOCK = 8 << 20
_PIECE = 1 << 16


def btf(image: bytes) -> bytes | None:
    """Return the BTF that a bzImage carries, or None when it carries none.

    Raises ArtifactError for what is no x86 kernel image or can't be decompressed.
    """
    return btf_of_elf(vmlinux(image))


def release(image: bytes) -> str:
    """Return what `uname -r` will say: the first word of the boot header's banner.

    Raises ArtifactError for something that is not an x86 kernel image or has no banner.
    """
    words = _banner(image).split()
    if not words or not words[0][0].isdecimal():
        raise ArtifactError("the kernel image's header has no release")
    return words[0]


def built(image: bytes) -> str:
    """Return the date in the boot header's banner, as YYYY-MM-DD; empty if there is
    none.

    It is when the kernel was built, or what its vendor puts there instead. Raises
    ArtifactError for something that is not an x86 kernel image.
    """
    banner = _banner(image)
    dated = _DATE.search(banner)
    if dated is not None:
        return dated[0]
    told = _CTIME.search(banner)
    if told is None:
        return ""
    day = datetime.strptime(f"{told[1]} {told[2]} {told[3]}", "%b %d %Y")
    return str(day.date())


def _banner(image: bytes) -> str:
    _protocol(image)
    (offset,) = struct.unpack_from("<H", image, _KERNEL_VERSION)
    start = offset + 0x200
    banner = image[start : start + _LONGEST_BANNER].partition(b"\0")[0]
    return banner.decode("ascii", "replace") if offset else ""


def btf_of_elf(data: bytes) -> bytes | None:
    """Return the .BTF section of an ELF file, or None.

    Raises ArtifactError if it is not an ELF file or the section is not BTF.
    """
    try:
        content = elfsections.section(data, ".BTF")
    except ValueError as error:
        raise ArtifactError(f"the kernel's ELF file can't be read: {error}") from error
    if content is None:
        return None
    if len(content) < 24 or _BTF_MAGIC not in struct.unpack_from("<H", content):
        raise ArtifactError("the kernel's .BTF section does not begin as BTF does")
    return content


def config(image: bytes) -> bytes | None:
    """Return the .config that a kernel carries (CONFIG_IKCONFIG=y), or None.

    Raises ArtifactError for what is no x86 kernel image or can't be decompressed.
    """
    found = vmlinux(image)
    start = found.find(_CONFIG_START)
    end = found.find(_CONFIG_END, start)
    if start < 0 or end < 0:
        return None
    try:
        return _gzip(found[start + len(_CONFIG_START) : end])
    except (zlib.error, EOFError):
        # Only the marks, as in a program that looks for them.
        return None


def vmlinux(image: bytes) -> bytes:
    """Return the ELF file inside a bzImage. Raises ArtifactError."""
    payload = _payload(image)
    known = (it for magic, it in _COMPRESSIONS.items() if payload.startswith(magic))
    name, unpack = next(known, ("", None))
    if unpack is None:
        raise ArtifactError(
            f"the kernel image is compressed in an unknown way ({payload[:6].hex()})"
        )
    try:
        return unpack(payload)
    except (
        lzma.LZMAError,
        zlib.error,
        zstandard.ZstdError,
        lz4.block.LZ4BlockError,
        OSError,
        ValueError,
        EOFError,
        struct.error,
    ) as error:
        raise ArtifactError(
            f"the kernel image can't be decompressed by {name}: {error}"
        ) from error


def _protocol(image: bytes) -> int:
    if image.startswith(_ELF_MAGIC):
        raise ArtifactError(
            "this is an ELF file, such as vmlinux, not a kernel image",
            hint="use arch/x86/boot/bzImage of the kernel tree",
        )
    if image[_HEADER_MAGIC : _HEADER_MAGIC + 4] != _MAGIC or len(image) < 0x250:
        raise ArtifactError("this is not an x86 kernel image: it has no boot header")
    (version,) = struct.unpack_from("<H", image, _VERSION)
    return int(version)


def _payload(image: bytes) -> bytes:
    version = _protocol(image)
    if version < _PROTOCOL_WITH_PAYLOAD:
        raise ArtifactError(f"boot protocol {version >> 8}.{version & 255} is too old")
    sectors = image[_SETUP_SECTORS] or 4
    offset, length = struct.unpack_from("<II", image, _PAYLOAD)
    start = (sectors + 1) * _SECTOR + offset
    if length == 0 or start + length > len(image):
        raise ArtifactError("the kernel image is truncated")
    return image[start : start + length]


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
