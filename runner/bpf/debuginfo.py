"""Where a BPF object's instructions come from: programs, lines of source, relocations.

Section .BTF.ext; its layout: Documentation/bpf/btf.rst in the kernel, and struct
btf_ext_header of libbpf.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from runner.bpf.btf import MAGICS, Btf
from runner.bpf.insn import SIZE

# Functions that programs call; they are not programs themselves.
TEXT = ".text"

# Length of the header behind magic, version and flags; then offset and length of each
# table.
_HEADER = "4xI"
_HEADER_SIZE = 8
_PAIR = "II"
# Lines and relocations.
_RECORD = "IIII"
_LINE_TABLE, _RELOCATION_TABLE = 1, 2
# The line stands above the column's 10 bits.
_COLUMN_BITS = 10


@dataclass(frozen=True, kw_only=True)
class Function:
    """A program, or a function that programs call."""

    name: str
    section: str
    section_index: int
    # Index of its first instruction in the section, and how many there are.
    start: int
    size: int
    is_global: bool

    @property
    def is_program(self) -> bool:
        """Whether libbpf loads it by itself."""
        return self.section != TEXT


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

    programs: Mapping[str, Function]
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


def read(functions: Iterable[Function], ext: bytes, btf: Btf) -> DebugInfo:
    """Read an object's section .BTF.ext; what it lacks is empty.

    Raises ValueError, struct.error and BtfError for what is damaged.
    """
    return DebugInfo(
        programs={it.name: it for it in functions},
        lines={
            section: tuple(
                Line(
                    start=start // SIZE,
                    file=btf.text(file),
                    number=position >> _COLUMN_BITS,
                    text=btf.text(text).strip(),
                )
                for start, file, text, position in records
            )
            for section, records in _table(ext, _LINE_TABLE, btf)
        },
        relocations={
            section: tuple(
                Relocation(
                    at=start // SIZE,
                    type_id=type_id,
                    access=btf.text(access),
                    access_at=access,
                    kind=kind,
                )
                for start, type_id, access, kind in records
            )
            for section, records in _table(ext, _RELOCATION_TABLE, btf)
        },
    )


def _table(
    data: bytes, number: int, strings: Btf
) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    """Yield a table's sections with their records, of which more may be known later."""
    if not data:
        return
    order = MAGICS.get(data[:2])
    if order is None:
        raise ValueError("it does not begin as BTF does")
    pair, record = struct.Struct(order + _PAIR), struct.Struct(order + _RECORD)
    (header,) = struct.unpack_from(order + _HEADER, data)
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
            strings.text(name),
            [record.unpack_from(data, at + i * each) for i in range(count)],
        )
        at += count * each
