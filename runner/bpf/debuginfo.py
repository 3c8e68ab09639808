"""Where a BPF object's instructions come from: programs, lines of source, relocations.

Section .BTF.ext; its layout: Documentation/bpf/btf.rst in the kernel, and struct
btf_ext_header of libbpf.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
# Lines that an offset may be ahead of the one that needs it.
_AHEAD = 5
# Lines that a statement may have.
_LONGEST_STATEMENT = 12


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
class SourceLine:
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
class RelocationRecord:
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
    lines: Mapping[str, tuple[SourceLine, ...]]
    relocations: Mapping[str, tuple[RelocationRecord, ...]]

    def line_reading(
        self, program: str, index: int, field: str, consumer: int | None = None
    ) -> SourceLine | None:
        """Return the line that reads a field by an instruction, if that is known.

        Compilers load the offset of a field into a register ahead of the line that
        needs it, and count that instruction to whatever line is before. `consumer` is
        the instruction that needs it: of the lines up to there the first one that names
        the field counts, or else the consumer's. The field may stand on another line of
        that statement, or in a macro, and compilers tell only where these begin.

        Where no consumer is known, it is the first line that names the field, and
        without one the instruction's own.
        """
        lines = self._lines_around(program, index)
        needing = None
        if consumer is not None:
            behind = self._lines_around(program, consumer)
            needing = next((it for it in behind[:1] if it.number), None)
        if needing is None:
            return naming(field, lines[:_AHEAD]) or (lines[0] if lines else None)
        upto = [it for it in lines if it.start <= needing.start]
        return naming(field, upto) or needing

    def line_defining(self, program: str) -> SourceLine | None:
        """Return the line that defines a program, if that is known.

        Its first instruction may come from a function that was inlined.
        """
        lines = self._lines_around(program, 0)
        return naming(program, lines) or (lines[0] if lines else None)

    def statement(self, program: str, index: int) -> str:
        """Return what is known of the text of an instruction's statement.

        Its line, and the ones behind that have instructions of their own, as long as
        no other statement begins. Empty where nothing is known.
        """
        lines = self._lines_around(program, index)
        if not lines or not lines[0].number:
            return ""
        first = lines[0]
        text = first.text
        if not _goes_on(text):
            return text
        found = self.programs[program]
        further = {
            it.number: it.text
            for it in self.lines.get(found.section, ())
            if found.start <= it.start < found.start + found.size
            and it.file == first.file
            and first.number < it.number <= first.number + _LONGEST_STATEMENT
        }
        for number in sorted(further):
            if _goes_on(further[number]):
                break
            text += f" {further[number]}"
            if further[number].endswith((";", "{", "}")):
                break
        return text

    def _lines_around(self, program: str, index: int) -> tuple[SourceLine, ...]:
        """Return the line of an instruction, if it is known, and those behind it.

        Behind a program's own instructions come those of functions that it calls, in an
        order that only libbpf knows: they have no line here.
        """
        found = self.programs.get(program)
        if found is None or not 0 <= index < found.size:
            return ()
        lines = self.lines.get(found.section, ())
        first = bisect_right(lines, found.start + index, key=lambda it: it.start) - 1
        end = bisect_right(lines, found.start + found.size - 1, key=lambda it: it.start)
        if first < 0 or lines[first].start < found.start:
            return ()
        # Line 0 is that of instructions which come from no line of their own.
        behind = (line for line in lines[first + 1 : end] if line.number)
        return (lines[first], *behind)

    def relocation_of(self, program: str, index: int) -> RelocationRecord | None:
        """Return the relocation of a program's instruction, if it has one."""
        found = self.programs.get(program)
        if found is None or not 0 <= index < found.size:
            return None
        relocations = self.relocations.get(found.section, ())
        at = found.start + index
        return next((it for it in relocations if it.at == at), None)


def _goes_on(text: str) -> bool:
    """Tell whether a line opens what it does not close."""
    return text.count("(") > text.count(")")


def naming(word: str, lines: Sequence[SourceLine]) -> SourceLine | None:
    """Return the first line that has a word; None where the word is empty, too."""
    if not word:
        return None
    pattern = re.compile(rf"\b{re.escape(word)}\b")
    return next((line for line in lines if pattern.search(line.text)), None)


def read(functions: Iterable[Function], ext: bytes, btf: Btf) -> DebugInfo:
    """Read an object's section .BTF.ext; what it lacks is empty.

    Raises ValueError, struct.error and BtfError for damaged data.
    """
    return DebugInfo(
        programs={it.name: it for it in functions},
        lines={
            section: tuple(
                SourceLine(
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
                RelocationRecord(
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
        raise ValueError("a table ends after the section")
    (each,) = struct.unpack_from(order + "I", data, at)
    if each < record.size:
        raise ValueError(f"its records have {each} bytes")
    at += 4
    while at < end:
        name, count = pair.unpack_from(data, at)
        at += pair.size
        if at + count * each > end:
            raise ValueError("its records end after their table")
        yield (
            strings.text(name),
            [record.unpack_from(data, at + i * each) for i in range(count)],
        )
        at += count * each
