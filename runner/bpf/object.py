"""A BPF object: its sections, functions and instructions, and what is to be relocated.

All that is wrong with a file is an ObjectError.
"""

import functools
import hashlib
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeVar

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import Section as ElfSection
from elftools.elf.sections import Symbol as ElfSymbol
from elftools.elf.sections import SymbolTableSection

from runner.bpf import btf, debuginfo, insn
from runner.bpf.btf import Btf, BtfError
from runner.bpf.consumers import consumer_of
from runner.bpf.debuginfo import DebugInfo, Function, SourceLine
from runner.bpf.insn import SIZE, Insn, decode
from runner.bpf.kinds import RelocationKind
from runner.errors import ExitStatus, RunnerError

# Byte orders, as struct names them.
ENDIANS = {"<": "little-endian", ">": "big-endian"}

_EXECUTABLE = 4
# Sections of maps whose values are structs of functions: ".struct_ops.link" as well.
_STRUCT_OPS = ".struct_ops"
# A damaged file may claim 2**64 of them.
_MOST_SECTIONS = 1 << 16

_T = TypeVar("_T")


class ObjectError(RunnerError):
    """A file is not a BPF object that libbpf can relocate."""

    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the file."""

    name: str
    is_code: bool
    # Where its bytes begin in the file. Empty for one that has none there.
    offset: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """What an instruction may refer to: a map, a function, a variable, an extern."""

    name: str
    # "STT_FUNC", "STT_OBJECT" and the like.
    type: str
    # Index of its section; 0 for an extern.
    section: int
    # Bytes from the section's start, and how many there are.
    value: int
    size: int
    is_weak: bool
    is_local: bool


@dataclass(frozen=True, kw_only=True)
class Link:
    """A relocation of ELF: bytes of a section refer to a symbol."""

    # Its index, and the bytes from its start.
    section: int
    at: int
    symbol: Symbol


@dataclass(frozen=True, kw_only=True)
class OfInstruction:
    """What an object says of an instruction."""

    function: Function
    # Index of the instruction in the function.
    index: int

    @property
    def address(self) -> tuple[int, int]:
        """Return the instruction's section, and its index in there."""
        return self.function.section_index, self.function.start + self.index


@dataclass(frozen=True, kw_only=True)
class LocalRelocation(OfInstruction):
    """A CO-RE relocation in its function."""

    type_id: int
    # Of the access string, in the BTF's strings.
    access: int
    # A RelocationKind.
    kind: int


@dataclass(frozen=True, kw_only=True)
class Reference(OfInstruction):
    """A symbol that an instruction refers to."""

    symbol: Symbol


def _part(read: Callable[["BpfObject"], _T]) -> "cached_property[_T]":
    """Read a part of an object once; whatever is wrong with it is an ObjectError."""

    @functools.wraps(read)
    def guarded(item: "BpfObject") -> _T:
        try:
            return read(item)
        except ObjectError:
            raise
        except (BtfError, ValueError, LookupError, struct.error) as error:
            raise item.damaged(str(error)) from error

    return cached_property(guarded)


@dataclass(frozen=True, kw_only=True, eq=False)
class BpfObject:
    """An object; what is read when it is asked for raises ObjectError."""

    data: bytes
    # What messages call it.
    path: Path
    # The byte order as struct names it.
    order: str
    sections: tuple[Section, ...]
    # In the file's order.
    symbols: tuple[Symbol, ...]
    links: tuple[Link, ...]

    @property
    def byteorder(self) -> Literal["little", "big"]:
        """Return the byte order as int.from_bytes() names it."""
        return "little" if self.order == "<" else "big"

    def damaged(self, why: str) -> ObjectError:
        """Return the error of an object that does not hold together."""
        return ObjectError(
            f"{self.path}: is a truncated or damaged object: {why}",
            hint="build it again, or download it again",
        )

    @cached_property
    def sha256(self) -> str:
        """The hash of the whole file."""
        return hashlib.sha256(self.data).hexdigest()

    def section(self, name: str) -> Section | None:
        """Return the section of a name; of several the last."""
        return next((it for it in reversed(self.sections) if it.name == name), None)

    @property
    def btf_data(self) -> bytes:
        """The raw BTF, which every object has."""
        section = self.section(".BTF")
        return b"" if section is None else section.data

    @_part
    def btf(self) -> Btf:
        """The types."""
        return btf.parse(self.btf_data)

    @_part
    def code(self) -> Mapping[int, tuple[Insn, ...]]:
        """Instructions, by their section's index.

        Compilers write calls of the kernel's functions as those of the object's own;
        here they are what libbpf makes of them.
        """
        found = {
            index: list(decode(it.data[: len(it.data) // SIZE * SIZE], self.order))
            for index, it in enumerate(self.sections)
            if it.is_code and it.data
        }
        for link in self.links:
            code, at = found.get(link.section, []), link.at // SIZE
            if link.symbol.section or at >= len(code):
                continue
            if code[at].code == insn.JMP | insn.CALL:
                code[at] = replace(code[at], src=insn.CALL_KFUNC)
        return {index: tuple(it) for index, it in found.items()}

    @cached_property
    def frozen(self) -> Mapping[int, bytes]:
        """What libbpf freezes, by the section's index."""
        return {
            index: it.data
            for index, it in enumerate(self.sections)
            if it.name.startswith(".rodata")
        }

    @cached_property
    def map_sections(self) -> frozenset[int]:
        """Where maps are defined: what refers to them is no use of data."""
        return frozenset(
            index
            for index, it in enumerate(self.sections)
            if it.name in (".maps", "maps")
        )

    @_part
    def struct_ops(self) -> Mapping[str, tuple[str, ...]]:
        """Which programs struct_ops maps call, by the maps' names."""
        found: dict[str, list[str]] = {}
        variables = [it for it in self.symbols if it.type == "STT_OBJECT"]
        for link in self.links:
            if not self.sections[link.section].name.startswith(_STRUCT_OPS):
                continue
            start = link.symbol.value // SIZE
            program = self.function_at(link.symbol.section, start)
            for it in variables:
                inside = it.value <= link.at < it.value + it.size
                if it.section == link.section and inside and program is not None:
                    found.setdefault(it.name, []).append(program.name)
        return {name: tuple(programs) for name, programs in found.items()}

    @_part
    def functions(self) -> tuple[Function, ...]:
        """Programs and what they call, in the order of sections and of code."""
        found = []
        for symbol in self.symbols:
            code = self.code.get(symbol.section)
            if symbol.type != "STT_FUNC" or code is None:
                continue
            start, size = symbol.value // SIZE, symbol.size // SIZE
            if start + size > len(code):
                raise ValueError(f"the function {symbol.name} ends after its code")
            found.append(
                Function(
                    name=symbol.name,
                    section=self.sections[symbol.section].name,
                    section_index=symbol.section,
                    start=start,
                    size=size,
                    is_global=not symbol.is_local,
                )
            )
        return tuple(sorted(found, key=lambda it: (it.section_index, it.start)))

    @property
    def programs(self) -> Sequence[Function]:
        """What libbpf loads: all functions outside of .text, else all."""
        return [it for it in self.functions if it.is_program] or self.functions

    def insns(self, function: Function) -> tuple[Insn, ...]:
        """Return a function's instructions."""
        code = self.code[function.section_index]
        return code[function.start : function.start + function.size]

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
        inside = insn < found.start + found.size
        return found if found.section_index == section_index and inside else None

    @_part
    def references(self) -> tuple[Reference, ...]:
        """Which symbols instructions refer to."""
        return tuple(self._references())

    def _references(self) -> Iterator[Reference]:
        for link in self.links:
            at = link.at // SIZE
            function = self.function_at(link.section, at)
            if function is not None:
                index = at - function.start
                yield Reference(function=function, index=index, symbol=link.symbol)

    @_part
    def debug(self) -> DebugInfo:
        """Where the instructions come from; empty where the object does not say."""
        ext = self.section(".BTF.ext")
        return debuginfo.read(self.functions, ext.data if ext else b"", self.btf)

    def line_reading(self, record: LocalRelocation, field: str) -> SourceLine | None:
        """Return the line of source that reads a field by a relocation."""
        return self.line_needing(record.function, record.index, field)

    def line_needing(
        self, function: Function, index: int, word: str
    ) -> SourceLine | None:
        """Return the line that needs what an instruction makes; it may name a word."""
        code = self.insns(function)
        asked = bool(word) and 0 <= index < len(code)
        consumer = consumer_of(code, index) if asked else None
        return self.debug.line_reading(function.name, index, word, consumer)

    @_part
    def relocations(self) -> tuple[LocalRelocation, ...]:
        """CO-RE relocations of functions that are there."""
        return tuple(self._relocations())

    def _relocations(self) -> Iterator[LocalRelocation]:
        indexes = {self.sections[index].name: index for index in self.code}
        for section, records in self.debug.relocations.items():
            if section not in indexes:
                raise ValueError(
                    f"a relocation is for {section}, which contains no code"
                )
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
                )


# Several parts of a run read an object, one after the other.
@functools.lru_cache(maxsize=4)
def read(data: bytes, path: Path = Path("object")) -> BpfObject:
    """Read an object's sections and symbols; other parts are read when they are needed.

    `path` is what messages call it. Raises ObjectError that says what is wrong.
    """
    try:
        return _read(ELFFile(BytesIO(data)), data, path)
    except ObjectError:
        raise
    # pyelftools lets through what its own parts raise for damaged files:
    # OverflowError, AttributeError and more.
    except Exception as error:
        if data[:4] != b"\x7fELF":
            raise ObjectError(
                f"{path}: not an ELF file",
                hint="use a NAME.bpf.c, or an object that clang -target bpf compiled",
            ) from error
        raise ObjectError(
            f"{path}: is a truncated or damaged ELF file",
            hint="build it again, or download it again",
        ) from error


def _read(elf: ELFFile, data: bytes, path: Path) -> BpfObject:
    machine = elf["e_machine"]
    if not 0 < elf.num_sections() <= _MOST_SECTIONS:
        raise ValueError(f"it has {elf.num_sections()} sections")
    tables = list(elf.iter_sections())
    sections = tuple(_section(it, data) for it in tables)
    if machine != "EM_BPF":
        raise ObjectError(
            f"{path}: is an object for {machine}, not for BPF",
            hint="compile it with clang -target bpf",
        )
    if ".BTF" not in (it.name for it in sections):
        raise ObjectError(
            f"{path}: has no .BTF section, so it can't be relocated",
            hint="compile it with clang -target bpf -g, and strip it with llvm-strip "
            "-g",
        )
    return BpfObject(
        data=data,
        path=path,
        order="<" if elf.little_endian else ">",
        sections=sections,
        symbols=tuple(_symbols(tables)),
        links=tuple(_links(tables, sections)),
    )


def read_whole(data: bytes, path: Path = Path("object")) -> BpfObject:
    """Read an object with all that relocating it needs. Raises ObjectError."""
    found = read(data, path)
    assert found.references is not None
    assert found.relocations is not None
    return found


def patched(data: bytes, variables: Mapping[str, bytes]) -> bytes:
    """Return an object with other values for its global variables.

    Those that have no bytes in the file (.bss) and those that are not there are left
    out, as is all of what is damaged.
    """
    if not variables:
        return data
    found = bytearray(data)
    try:
        for at, value in _places(read(data), variables):
            if at + len(value) <= len(data):
                found[at : at + len(value)] = value
    except (ObjectError, IndexError):
        return data
    return bytes(found)


def _places(
    item: BpfObject, variables: Mapping[str, bytes]
) -> Iterator[tuple[int, bytes]]:
    """Yield where in the file variables begin, with what they shall be."""
    for symbol in item.symbols:
        if symbol.type == "STT_OBJECT" and symbol.name in variables:
            section = item.sections[symbol.section]
            if section.data:
                yield section.offset + symbol.value, variables[symbol.name]


def _section(it: ElfSection, data: bytes) -> Section:
    start, size = it["sh_offset"], it["sh_size"]
    if it["sh_type"] == "SHT_NOBITS":
        size = 0
    if start + size > len(data) and size:
        raise ValueError(f"its section {it.name} ends after the file")
    return Section(
        name=it.name,
        is_code=bool(it["sh_flags"] & _EXECUTABLE),
        offset=start,
        data=data[start : start + size],
    )


def _symbols(tables: Sequence[ElfSection]) -> Iterator[Symbol]:
    for table in tables:
        if isinstance(table, SymbolTableSection):
            yield from map(_symbol, table.iter_symbols())


def _links(tables: Sequence[ElfSection], sections: Sequence[Section]) -> Iterator[Link]:
    for table in tables:
        if not isinstance(table, RelocationSection):
            continue
        # Debug information has relocations as well, and many.
        section = sections[table["sh_info"]]
        if not section.is_code and not section.name.startswith(_STRUCT_OPS):
            continue
        symbols = tables[table["sh_link"]]
        for row in table.iter_relocations():
            symbol = _symbol(symbols.get_symbol(row["r_info_sym"]))
            yield Link(section=table["sh_info"], at=row["r_offset"], symbol=symbol)


def _symbol(symbol: ElfSymbol) -> Symbol:
    section, info = symbol["st_shndx"], symbol["st_info"]
    return Symbol(
        name=symbol.name,
        type=info["type"],
        # Others are in words: "SHN_UNDEF".
        section=section if isinstance(section, int) else 0,
        value=symbol["st_value"],
        size=symbol["st_size"],
        is_weak=info["bind"] == "STB_WEAK",
        is_local=info["bind"] == "STB_LOCAL",
    )
