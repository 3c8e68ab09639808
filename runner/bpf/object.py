"""Where a BPF object's instructions come from: programs, lines of source, relocations.

Sections .BTF and .BTF.ext; their layout: Documentation/bpf/btf.rst in the kernel, and
struct btf_ext_header of libbpf.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection

from runner.errors import RunnerError

INSTRUCTION = 8

# BTF's first bytes, by byte order as struct names it.
_MAGICS = {b"\x9f\xeb": "<", b"\xeb\x9f": ">"}
# Magic, version, flags, length of the header; then offset and length of each table.
_HEADER = "2xBBI"
_HEADER_SIZE = 8
_PAIR = "II"
_BTF_STRINGS = "16x2I"
# Lines and relocations.
_RECORD = "IIII"
_LINE_TABLE, _RELOCATION_TABLE = 1, 2
# The line stands above the column's 10 bits.
_COLUMN_BITS = 10


class DebugInfoError(RunnerError):
    """An object's debug information is damaged."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program, or another function, as it lies in its section."""

    name: str
    section: str
    # In instructions.
    start: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of source that instructions come from, up to the next line's."""

    # In instructions, from the section's beginning.
    start: int
    file: str
    number: int
    # The line itself, as the compiler saw it.
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file.removeprefix('./')}:{self.number}"


@dataclass(frozen=True, kw_only=True)
class Relocation:
    """A CO-RE relocation: what an instruction holds depends on the kernel."""

    # In instructions, from the section's beginning.
    at: int
    # In the object's BTF.
    type_id: int
    # Members and indices on the way: "0:2:1".
    access: str
    # Where that stands in the BTF's strings.
    access_at: int
    # enum bpf_core_relo_kind.
    kind: int


@dataclass(frozen=True, kw_only=True)
class DebugInfo:
    """All of an object; lines and relocations by section, in order."""

    programs: Mapping[str, Program]
    lines: Mapping[str, tuple[Line, ...]]
    relocations: Mapping[str, tuple[Relocation, ...]]

    def line_of(self, program: str, index: int = 0) -> Line | None:
        """Return the line that a program's instruction comes from, if that is known.

        Behind a program's own instructions come those of functions that it calls, in an
        order that only libbpf knows: they have no line here.
        """
        found = self.programs.get(program)
        if found is None or not 0 <= index < found.size:
            return None
        lines = self.lines.get(found.section, ())
        return next(
            (
                line
                for line in reversed(lines)
                if found.start <= line.start <= found.start + index
            ),
            None,
        )

    def lines_from(self, program: str, index: int) -> tuple[Line, ...]:
        """Return the line of an instruction, if it is known, and those behind it."""
        found, first = self.programs.get(program), self.line_of(program, index)
        if found is None or first is None:
            return ()
        behind = (
            line
            for line in self.lines.get(found.section, ())
            if found.start + index < line.start < found.start + found.size
        )
        # Line 0 is that of instructions which come from no line of their own.
        return (first, *(line for line in behind if line.number))

    def relocation_of(self, program: str, index: int) -> Relocation | None:
        """Return the relocation of a program's instruction, if it has one."""
        found = self.programs.get(program)
        if found is None or not 0 <= index < found.size:
            return None
        relocations = self.relocations.get(found.section, ())
        at = found.start + index
        return next((it for it in relocations if it.at == at), None)

    def relocations_of(self, program: str) -> tuple[Relocation, ...]:
        """Return a program's relocations, in the order of its instructions."""
        found = self.programs[program]
        return tuple(
            it
            for it in self.relocations.get(found.section, ())
            if found.start <= it.at < found.start + found.size
        )


def read(data: bytes) -> DebugInfo:
    """Read an object's debug information; what it lacks is empty.

    Raises DebugInfoError for what is damaged.
    """
    try:
        return _read(data)
    # pyelftools raises all of these for what is cut short or overwritten.
    except (
        *(ELFError, struct.error, ValueError, KeyError, OverflowError),
        *(AttributeError, AssertionError, TypeError, IndexError),
    ) as error:
        raise DebugInfoError(
            f"the object's debug information is damaged: {error}"
        ) from error


def _read(data: bytes) -> DebugInfo:
    elf = ELFFile(BytesIO(data))
    sections = list(elf.iter_sections())
    programs = {program.name: program for program in _programs(sections)}
    by_name = {section.name: section for section in sections}
    btf, ext = by_name.get(".BTF"), by_name.get(".BTF.ext")
    if btf is None or ext is None:
        return DebugInfo(programs=programs, lines={}, relocations={})
    strings = _strings(btf.data())
    tables = ext.data()
    return DebugInfo(
        programs=programs,
        lines={
            section: tuple(
                Line(
                    start=start // INSTRUCTION,
                    file=_text(strings, file),
                    number=position >> _COLUMN_BITS,
                    text=_text(strings, text).strip(),
                )
                for start, file, text, position in records
            )
            for section, records in _table(tables, _LINE_TABLE, strings)
        },
        relocations={
            section: tuple(
                Relocation(
                    at=start // INSTRUCTION,
                    type_id=type_id,
                    access=_text(strings, access),
                    access_at=access,
                    kind=kind,
                )
                for start, type_id, access, kind in records
            )
            for section, records in _table(tables, _RELOCATION_TABLE, strings)
        },
    )


def _programs(sections: Sequence[Section]) -> Iterator[Program]:
    for symbols in sections:
        if not isinstance(symbols, SymbolTableSection):
            continue
        for symbol in symbols.iter_symbols():
            if symbol["st_info"]["type"] == "STT_FUNC" and isinstance(
                symbol["st_shndx"], int
            ):
                yield Program(
                    name=symbol.name,
                    section=sections[symbol["st_shndx"]].name,
                    start=symbol["st_value"] // INSTRUCTION,
                    size=symbol["st_size"] // INSTRUCTION,
                )


def _strings(btf: bytes) -> bytes:
    order = _order(btf)
    header = struct.unpack_from(order + _HEADER, btf)[2]
    start, size = struct.unpack_from(order + _BTF_STRINGS, btf)
    return btf[header + start : header + start + size]


def _order(data: bytes) -> str:
    order = _MAGICS.get(data[:2])
    if order is None:
        raise ValueError("it does not begin as BTF does")
    return order


def _text(strings: bytes, offset: int) -> str:
    end = strings.index(b"\0", offset)
    return strings[offset:end].decode("utf-8", "replace")


def _table(
    data: bytes, number: int, strings: bytes
) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    """Yield a table's sections with their records, of which more may be known later."""
    order = _order(data)
    pair, record = struct.Struct(order + _PAIR), struct.Struct(order + _RECORD)
    header = struct.unpack_from(order + _HEADER, data)[2]
    place = _HEADER_SIZE + number * pair.size
    # Older compilers' headers end before the relocations.
    if place + pair.size > header:
        return
    start, size = pair.unpack_from(data, place)
    if not size:
        return
    at, end = header + start, header + start + size
    if end > len(data):
        raise ValueError("a table ends behind the section")
    (each,) = struct.unpack_from(order + "I", data, at)
    if each < record.size:
        raise ValueError(f"its records have {each} bytes")
    at += 4
    while at < end:
        name, count = pair.unpack_from(data, at)
        at += pair.size
        if at + count * each > end:
            raise ValueError("its records end behind their table")
        yield (
            _text(strings, name),
            [record.unpack_from(data, at + i * each) for i in range(count)],
        )
        at += count * each
