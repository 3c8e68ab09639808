"""A BPF object: its functions, their instructions, and what is to be relocated."""

import hashlib
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import Section, SymbolTableSection

from runner.bpf import object as debuginfo
from runner.bpf.compile import check_object
from runner.bpf.insn import SIZE, Insn, decode
from runner.bpf.kinds import RelocationKind
from runner.bpf.object import Line
from runner.preflight.errors import BadObjectError

# Static functions that programs call.
TEXT = ".text"

_EXECUTABLE = 4
# What pyelftools raises for files that are cut short or overwritten.
_DAMAGE = (
    *(ELFError, struct.error, ValueError, KeyError, OverflowError),
    *(AttributeError, AssertionError, TypeError, IndexError),
)


@dataclass(frozen=True, kw_only=True)
class Function:
    """A program, or a function that programs call."""

    name: str
    section: str
    section_index: int
    # Index of its first instruction in the section, and how many there are.
    start: int
    length: int
    is_global: bool

    @property
    def is_program(self) -> bool:
        """Tell whether libbpf loads it by itself."""
        return self.section != TEXT


@dataclass(frozen=True, kw_only=True)
class LocalRelocation:
    """A CO-RE relocation, as far as the object alone tells."""

    function: Function
    # Index of the instruction in the function.
    index: int
    type_id: int
    # Of the access string, in the BTF's strings.
    access: int
    # 0 to 12; a RelocationKind.
    kind: int
    line: Line | None

    @property
    def address(self) -> tuple[int, int]:
        """Return its section's index, and the instruction's in there."""
        return self.function.section_index, self.function.start + self.index


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """What an instruction may refer to: a map, a function, a variable, an extern."""

    name: str
    # Index of its section; 0 for an extern.
    section: int
    # Bytes from the section's start.
    value: int
    is_weak: bool


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A symbol that an instruction refers to."""

    function: Function
    index: int
    symbol: Symbol

    @property
    def address(self) -> tuple[int, int]:
        """Return the instruction's section, and its index in there."""
        return self.function.section_index, self.function.start + self.index


def patched(data: bytes, variables: Mapping[str, bytes]) -> bytes:
    """Return an object with other values for its global variables.

    Those that have no bytes in the file (.bss) and those that are not there are left
    out, as is all of what is damaged.
    """
    if not variables:
        return data
    found = bytearray(data)
    try:
        for at, value in _places(ELFFile(BytesIO(data)), variables):
            if at + len(value) <= len(data):
                found[at : at + len(value)] = value
    except _DAMAGE:
        return data
    return bytes(found)


def _places(
    elf: ELFFile, variables: Mapping[str, bytes]
) -> Iterator[tuple[int, bytes]]:
    """Yield where in the file variables begin, with what they shall be."""
    for table in elf.iter_sections():
        if not isinstance(table, SymbolTableSection):
            continue
        for symbol in table.iter_symbols():
            is_data = symbol["st_info"]["type"] == "STT_OBJECT"
            if not is_data or symbol.name not in variables:
                continue
            section = elf.get_section(symbol["st_shndx"])
            if section["sh_type"] != "SHT_NOBITS":
                value = variables[symbol.name]
                yield section["sh_offset"] + symbol["st_value"], value


class BpfObject:
    """An object, read and checked as far as predictions need it."""

    def __init__(self, data: bytes, path: Path = Path("object")) -> None:
        """Read it. Raises RunnerError that says what is wrong with it."""
        check_object(data, path)
        self.data = data
        self.path = path
        try:
            self._read(ELFFile(BytesIO(data)))
        except _DAMAGE as error:
            raise BadObjectError(
                f"{path}: is a truncated or damaged object: {error}",
                hint="build it again, or fetch it again",
            ) from error

    @cached_property
    def sha256(self) -> str:
        """Return the hash of the whole file."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def programs(self) -> list[Function]:
        """Return what libbpf loads: all functions outside of .text, else all."""
        return [it for it in self.functions if it.is_program] or self.functions

    def insns(self, function: Function) -> tuple[Insn, ...]:
        """Return a function's instructions."""
        code = self.code[function.section_index]
        return code[function.start : function.start + function.length]

    def function_at(self, section_index: int, insn: int) -> Function | None:
        """Return the function that holds an instruction of a section."""
        at = bisect_right(
            self.functions,
            (section_index, insn),
            key=lambda it: (it.section_index, it.start),
        )
        if not at:
            return None
        found = self.functions[at - 1]
        inside = insn < found.start + found.length
        return found if found.section_index == section_index and inside else None

    # ------------------------------------------------------------- reading

    def _read(self, elf: ELFFile) -> None:
        # As struct and int.from_bytes name it.
        self.order = "<" if elf.little_endian else ">"
        sections = list(elf.iter_sections())
        # As get_section_by_name() finds it: the last one.
        by_name = {it.name: it for it in sections}
        self.btf_data: bytes = by_name[".BTF"].data()
        self.code: dict[int, tuple[Insn, ...]] = {
            index: decode(it.data()[: it["sh_size"] // SIZE * SIZE], self.order)
            for index, it in enumerate(sections)
            if it["sh_flags"] & _EXECUTABLE
            and it["sh_size"]
            and it["sh_type"] != "SHT_NOBITS"
        }
        # What libbpf freezes, by section.
        self.frozen: dict[int, bytes] = {
            index: it.data()
            for index, it in enumerate(sections)
            if it.name.startswith(".rodata")
        }
        # Where definitions of maps lie: what refers to them is no use of data.
        self.map_sections = frozenset(
            index for index, it in enumerate(sections) if it.name in (".maps", "maps")
        )
        self._names = [it.name for it in sections]
        self.functions = sorted(
            self._functions(sections), key=lambda it: (it.section_index, it.start)
        )
        # Which symbols instructions refer to.
        self.references = tuple(self._references(sections))
        self._info = debuginfo.read(self.data)
        self.relocations = tuple(self._relocations())

    def _functions(self, sections: list[Section]) -> Iterator[Function]:
        for table in sections:
            if not isinstance(table, SymbolTableSection):
                continue
            for symbol in table.iter_symbols():
                section = symbol["st_shndx"]
                if symbol["st_info"]["type"] != "STT_FUNC" or section not in self.code:
                    continue
                start, length = symbol["st_value"] // SIZE, symbol["st_size"] // SIZE
                if start + length > len(self.code[section]):
                    raise ValueError(f"the function {symbol.name} ends behind its code")
                yield Function(
                    name=symbol.name,
                    section=self._names[section],
                    section_index=section,
                    start=start,
                    length=length,
                    is_global=symbol["st_info"]["bind"] != "STB_LOCAL",
                )

    def _references(self, sections: list[Section]) -> Iterator[Reference]:
        for table in sections:
            if not isinstance(table, RelocationSection):
                continue
            index = table["sh_info"]
            if index not in self.code:
                continue
            symbols = sections[table["sh_link"]]
            for row in table.iter_relocations():
                at = row["r_offset"] // SIZE
                function = self.function_at(index, at)
                if function is None:
                    continue
                symbol = symbols.get_symbol(row["r_info_sym"])
                section = symbol["st_shndx"]
                yield Reference(
                    function=function,
                    index=at - function.start,
                    symbol=Symbol(
                        name=symbol.name,
                        section=section if isinstance(section, int) else 0,
                        value=symbol["st_value"],
                        is_weak=symbol["st_info"]["bind"] == "STB_WEAK",
                    ),
                )

    def _relocations(self) -> Iterator[LocalRelocation]:
        indexes = {self._names[index]: index for index in self.code}
        for section, records in self._info.relocations.items():
            if section not in indexes:
                raise ValueError(f"a relocation is for {section}, which holds no code")
            for record in records:
                # Raises ValueError for a kind that nobody knows.
                RelocationKind(record.kind)
                # Linkers leave the records of weak functions that they dropped, and
                # libbpf passes over them.
                function = self.function_at(indexes[section], record.at)
                if function is None:
                    continue
                index = record.at - function.start
                yield LocalRelocation(
                    function=function,
                    index=index,
                    type_id=record.type_id,
                    access=record.access_at,
                    kind=record.kind,
                    line=self._info.line_of(function.name, index),
                )
