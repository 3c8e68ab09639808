"""Sections of ELF files that come from elsewhere."""

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

from elftools.elf.elffile import ELFFile

# Of a kernel: all that .note.* sections had (include/asm-generic/vmlinux.lds.h).
_NOTES = ".notes"
_GNU, _BUILD_ID = b"GNU\0", 3


def section(data: bytes, name: str) -> bytes | None:
    """Return a section's content, or None when there is no such section.

    Raises ValueError for something that is not an ELF file or does not hold together.
    """
    return _section(BytesIO(data), len(data), name)


def build_id(data: bytes) -> str:
    """Return a kernel's GNU build-id in hexadecimal, empty when it tells none.

    The linker makes it of all that it links, so that two builds differ in it even where
    their releases are the same. objcopy leaves it in the ELF file inside of an image.
    """
    return _build_id(BytesIO(data), len(data))


def build_id_of(path: Path) -> str:
    """Return the same of a file, such as a vmlinux, without reading it whole.

    Raises OSError.
    """
    with path.open("rb") as stream:
        return _build_id(stream, path.stat().st_size)


def _build_id(stream: IO[bytes], size: int) -> str:
    try:
        content = _section(stream, size, _NOTES) or b""
        order = "<" if ELFFile(stream).little_endian else ">"
    except ValueError:
        return ""
    return next(
        (
            descriptor.hex()
            for name, kind, descriptor in _notes(content, order)
            if (name, kind) == (_GNU, _BUILD_ID)
        ),
        "",
    )


def _notes(content: bytes, order: str) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield name, type and descriptor; each is padded to 4 bytes (elf(5))."""
    at = 0
    while at + 12 <= len(content):
        name_size, size, kind = struct.unpack_from(order + "III", content, at)
        name_at = at + 12
        at = name_at + (name_size + 3 & ~3)
        yield content[name_at : name_at + name_size], kind, content[at : at + size]
        at += size + 3 & ~3


def _section(stream: IO[bytes], size: int, name: str) -> bytes | None:
    try:
        found = ELFFile(stream).get_section_by_name(name)
        if found is None:
            return None
        if found.header["sh_size"] > size:
            # An empty section that claims terabytes would be made of zeros.
            raise ValueError(f"its section {name} is larger than the file")
        return bytes(found.data())
    # pyelftools lets through what its own parts raise for damaged files: OverflowError,
    # zlib.error, AttributeError and more.
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error
