"""Reads BPF objects as clang leaves them: functions and types."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Self

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

# Functions that programs call; they are none themselves.
SHARED_CODE = ".text"
# Bytes of an instruction.
INSTRUCTION = 8

_EXECUTABLE = 0x4

# Bytes after a type's three words, by its kind: those of all, then those of each
# member. Documentation/bpf/btf.rst of the kernel.
_ALWAYS = {1: 4, 3: 12, 14: 4, 17: 4}
_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}


class DamagedError(ValueError):
    """An object does not hold together."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """A program, or a function that programs call."""

    name: str
    section: str
    # Where it begins in the section, in bytes.
    start: int
    code: bytes


@dataclass(frozen=True, kw_only=True)
class Type:
    """A type of BTF, as far as it is of use here."""

    name: str
    kind: int
    # The size, or the type that it refers to.
    reference: int
    rest: bytes

    def members(self) -> Iterator[tuple[int, int, int]]:
        """Return the three words of each member."""
        return struct.iter_unpack("<III", self.rest)


@dataclass(frozen=True, kw_only=True)
class BpfObject:
    """What is in an object; parts that it lacks are empty."""

    functions: tuple[Function, ...]
    # By their numbers; 0 is void.
    types: tuple[Type, ...]
    # BTF's, which types' members are named by.
    text: bytes

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read an object. Raises DamagedError for what does not hold together."""
        try:
            elf = ELFFile(BytesIO(data))
            btf = _content(elf, ".BTF")
            text, types = _btf(btf) if btf else (b"", ())
            return cls(
                functions=tuple(_functions(elf)),
                types=types,
                text=text,
            )
        # pyelftools lets through what its own parts raise for damaged files:
        # OverflowError, AttributeError and more.
        except Exception as error:
            raise DamagedError(str(error) or type(error).__name__) from error


def string(text: bytes, offset: int) -> str:
    """Return a string of BTF's."""
    return text[offset : text.index(0, offset)].decode("utf-8", "replace")


def _content(elf: ELFFile, name: str) -> bytes:
    section = elf.get_section_by_name(name)
    return b"" if section is None else bytes(section.data())


def _functions(elf: ELFFile) -> Iterator[Function]:
    symbols = elf.get_section_by_name(".symtab")
    if not isinstance(symbols, SymbolTableSection):
        return
    for symbol in symbols.iter_symbols():
        if symbol["st_info"]["type"] != "STT_FUNC" or symbol["st_shndx"] == "SHN_UNDEF":
            continue
        section = elf.get_section(symbol["st_shndx"])
        if section["sh_flags"] & _EXECUTABLE:
            start = symbol["st_value"]
            yield Function(
                name=symbol.name,
                section=section.name,
                start=start,
                code=bytes(section.data()[start : start + symbol["st_size"]]),
            )


def _btf(data: bytes) -> tuple[bytes, tuple[Type, ...]]:
    """Return the strings, and the types by their numbers."""
    _, _, _, header, type_at, type_size, text_at, text_size = struct.unpack_from(
        "<HBBIIIII", data
    )
    text = data[header + text_at :][:text_size]
    body = data[header + type_at :][:type_size]
    types = [Type(name="", kind=0, reference=0, rest=b"")]
    position = 0
    while position < len(body):
        name, info, reference = struct.unpack_from("<III", body, position)
        kind, count = info >> 24 & 0x1F, info & 0xFFFF
        size = _ALWAYS.get(kind, 0) + _EACH.get(kind, 0) * count
        position += 12
        rest = body[position : position + size]
        position += size
        types.append(
            Type(name=string(text, name), kind=kind, reference=reference, rest=rest)
        )
    return text, tuple(types)
