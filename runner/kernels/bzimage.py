"""The boot header of an x86 kernel image.

Layout: Documentation/arch/x86/boot.rst in the kernel (boot protocol 2.08 and later).
"""

import struct

from runner.errors import ArtifactError

_HEADER_MAGIC = 0x202
_MAGIC = b"HdrS"
_SETUP_SECTORS = 0x1F1
_VERSION = 0x206
# Of protocol 2.00 and later: where the banner stands, less 0x200.
_KERNEL_VERSION = 0x20E
_LONGEST_BANNER = 512
_PAYLOAD = 0x248
_SECTOR = 512
_PROTOCOL_WITH_PAYLOAD = 0x208


def matches(image: bytes) -> bool:
    """Whether an image is one for x86."""
    return image[_HEADER_MAGIC : _HEADER_MAGIC + 4] == _MAGIC and len(image) >= 0x250


def banner(image: bytes) -> str:
    """Return the banner in the header: "6.1.176 (someone@somewhere) #1 SMP …"."""
    (offset,) = struct.unpack_from("<H", image, _KERNEL_VERSION)
    start = offset + 0x200
    found = image[start : start + _LONGEST_BANNER].partition(b"\0")[0]
    return found.decode("ascii", "replace") if offset else ""


def payload(image: bytes) -> bytes:
    """Return the compressed ELF file. Raises ArtifactError."""
    (version,) = struct.unpack_from("<H", image, _VERSION)
    if version < _PROTOCOL_WITH_PAYLOAD:
        raise ArtifactError(f"boot protocol {version >> 8}.{version & 255} is too old")
    sectors = image[_SETUP_SECTORS] or 4
    offset, length = struct.unpack_from("<II", image, _PAYLOAD)
    start = (sectors + 1) * _SECTOR + offset
    if length == 0 or start + length > len(image):
        raise ArtifactError("the kernel image is truncated")
    return image[start : start + length]
