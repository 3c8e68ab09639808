"""BTF: the types of a kernel, of one of its modules or of an object.

Layout: Documentation/bpf/btf.rst in the kernel. libbpf does the relocating; this reads
what has to be known of a file before a guest gets it, and of values afterwards.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from runner.bpf.kinds import Kind
from runner.errors import ArtifactError
from runner.text.nearest import did_you_mean

# A file's first bytes, by byte order as struct names it.
MAGICS = {b"\x9f\xeb": "<", b"\xeb\x9f": ">"}
# Version, length of the header; then offset and size of types and of strings.
_HEADER = "2xBxIIIII"
_HEADER_SIZE = 24
_TYPE_SIZE = 12
_POINTER_SIZE = 8

# What follows a type's three words, by its kind: bytes, and bytes for each member.
_TAILS = {
    Kind.INT: (4, 0),
    Kind.PTR: (0, 0),
    Kind.ARRAY: (12, 0),
    Kind.STRUCT: (0, 12),
    Kind.UNION: (0, 12),
    Kind.ENUM: (0, 8),
    Kind.FWD: (0, 0),
    Kind.TYPEDEF: (0, 0),
    Kind.VOLATILE: (0, 0),
    Kind.CONST: (0, 0),
    Kind.RESTRICT: (0, 0),
    Kind.FUNC: (0, 0),
    Kind.FUNC_PROTO: (0, 8),
    Kind.VAR: (4, 0),
    Kind.DATASEC: (0, 12),
    Kind.FLOAT: (0, 0),
    Kind.DECL_TAG: (4, 0),
    Kind.TYPE_TAG: (0, 0),
    # Added in 6.0.
    Kind.ENUM64: (0, 12),
}
_KINDS = tuple(Kind)
MODIFIERS = (Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG)
COMPOSITES = (Kind.STRUCT, Kind.UNION)
ENUMERATIONS = (Kind.ENUM, Kind.ENUM64)
_KEYWORDS = {
    Kind.STRUCT: "struct ",
    Kind.UNION: "union ",
    Kind.ENUM: "enum ",
    Kind.ENUM64: "enum ",
    Kind.FWD: "struct ",
}
_NAMED = (*COMPOSITES, *ENUMERATIONS, Kind.TYPEDEF)
# Modifiers behind each other, and arrays within each other: more only in a circle.
_DEEPEST = 64
_NONE: frozenset[int] = frozenset()


class BtfError(ArtifactError):
    """BTF is damaged, or lacks the type that was asked for."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type without its members, which `Btf` reads."""

    id: int
    kind: Kind
    # Empty for a nameless one.
    name: str
    # Of members, enumerators, parameters or variables.
    count: int
    # Whether members' offsets hold the widths of bit fields, or enumerators are signed.
    flag: bool
    # Bytes; of pointers, modifiers and variables the type that they refer to.
    size: int
    # Where in the file its members begin.
    at: int

    @property
    def refers_to(self) -> int:
        """Return the type that it points to, modifies or is a variable of."""
        return self.size

    def __str__(self) -> str:
        return _KEYWORDS.get(self.kind, "") + self.name


@dataclass(frozen=True, slots=True)
class BtfMember:
    """A member of a struct or union."""

    # Empty for one whose members are the struct's own.
    name: str
    type_id: int
    # From the beginning of the struct.
    bit: int
    # Width of a bit field; 0 for others.
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Integer:
    """How an integer lies in its bytes."""

    # Bits of BTF_INT_SIGNED, BTF_INT_CHAR and BTF_INT_BOOL.
    encoding: int
    offset: int
    bits: int


@dataclass(frozen=True, kw_only=True)
class Btf:
    """Types by their ids. All methods raise BtfError for what is not there."""

    data: bytes
    # As struct names it.
    order: str
    # Where each of the file's own types begins in `data`.
    offsets: tuple[int, ...]
    # Where the strings begin in `data`, and how many bytes they have.
    strings: int
    strings_size: int
    # What split BTF, a module's, stands on: its ids and strings go on behind these.
    base: "Btf | None" = None

    @property
    def byteorder(self) -> Literal["little", "big"]:
        """Return the byte order as int.from_bytes() names it."""
        return "little" if self.order == "<" else "big"

    @cached_property
    def last_id(self) -> int:
        """Return the highest id."""
        return len(self.offsets) + (self.base.last_id if self.base else 0)

    @cached_property
    def strings_end(self) -> int:
        """Return the bytes of all strings, with those of the base."""
        return self.strings_size + (self.base.strings_end if self.base else 0)

    # ------------------------------------------------------------- types

    def type(self, id_: int) -> Type:
        """Return a type by its id."""
        found = self._known.get(id_)
        if found is None:
            found = self._known[id_] = self._read(id_)
        return found

    def types(self) -> Iterator[Type]:
        """Yield all types, in the order of their ids."""
        return (self._read(id_) for id_ in range(1, self.last_id + 1))

    @cached_property
    def _known(self) -> dict[int, Type]:
        """Types that were asked for: values of a million elements ask often."""
        return {}

    def _read(self, id_: int) -> Type:
        inherited = self.base.last_id if self.base else 0
        if self.base and 1 <= id_ <= inherited:
            return self.base.type(id_)
        if not inherited < id_ <= self.last_id:
            raise BtfError(f"it refers to type {id_}, but has only {self.last_id}")
        start = self.offsets[id_ - inherited - 1]
        name, info, size = struct.unpack_from(self.order + "III", self.data, start)
        return Type(
            id=id_,
            kind=_KINDS[info >> 24 & 0x1F],
            name=self.text(name),
            count=info & 0xFFFF,
            flag=bool(info >> 31),
            size=size,
            at=start + _TYPE_SIZE,
        )

    def resolved(self, id_: int) -> Type:
        """Return the type behind typedefs and qualifiers; of void the last of them."""
        found = self.type(id_)
        for _ in range(_DEEPEST):
            if found.kind not in MODIFIERS or not found.refers_to:
                return found
            found = self.type(found.refers_to)
        raise BtfError("its types go in circles")

    @cached_property
    def named(self) -> dict[str, int]:
        """Return ids by name, as in "struct task_struct"; of several the first."""
        found = dict(self.base.named) if self.base else {}
        unpack = struct.Struct(self.order + "II").unpack_from
        inherited = self.base.last_id if self.base else 0
        for id_, start in enumerate(self.offsets, inherited + 1):
            name, info = unpack(self.data, start)
            kind = info >> 24 & 0x1F
            if kind in _NAMED and (text := self.text(name)):
                found.setdefault(_KEYWORDS.get(_KINDS[kind], "") + text, id_)
        return found

    def find(self, name: str) -> Type:
        """Return a type by its name, as in "struct task_struct"."""
        id_ = self.named.get(name)
        if id_ is None:
            raise _lacking(f"the BTF has no {name}", name, self.named)
        return self.type(id_)

    def text(self, offset: int) -> str:
        """Return a string."""
        own = offset
        if self.base:
            if offset < self.base.strings_end:
                return self.base.text(offset)
            own -= self.base.strings_end
        if own >= self.strings_size:
            raise BtfError(f"it refers to a string at {offset}, beyond its strings")
        start = self.strings + own
        return self.data[start : self.data.index(b"\0", start)].decode(errors="replace")

    # ---------------------------------------------------- what types hold

    def members(self, type_: Type) -> Iterator[BtfMember]:
        """Yield the members of a struct or union; nothing for other types."""
        if type_.kind not in COMPOSITES:
            return
        for name, id_, place in self._rows("III", type_):
            # With the flag the upper 8 bits are a bit field's width.
            bit, bits = (place & 0xFFFFFF, place >> 24) if type_.flag else (place, 0)
            yield BtfMember(self.text(name), id_, bit, bits)

    def fields(
        self, type_: Type, within: frozenset[int] = _NONE
    ) -> Iterator[BtfMember]:
        """Yield members with names, and those of nameless members as its own."""
        if type_.id in within:
            raise BtfError("its types go in circles")
        within |= {type_.id}
        for member in self.members(type_):
            if member.name:
                yield member
                continue
            for inner in self.fields(self.resolved(member.type_id), within):
                bit = member.bit + inner.bit
                yield BtfMember(inner.name, inner.type_id, bit, inner.bits)

    def enumerators(self, type_: Type) -> Iterator[tuple[str, int]]:
        """Yield names and values of an enumeration; nothing for other types."""
        if type_.kind is Kind.ENUM:
            for name, value in self._rows("Ii", type_):
                yield self.text(name), value
        elif type_.kind is Kind.ENUM64:
            for name, low, high in self._rows("IIi" if type_.flag else "III", type_):
                yield self.text(name), low | high << 32

    def parameters(self, prototype: Type) -> Iterator[tuple[str, int]]:
        """Yield names and types of what a function takes; nothing for other types."""
        if prototype.kind is Kind.FUNC_PROTO:
            for name, id_ in self._rows("II", prototype):
                yield self.text(name), id_

    def variables(self, section: Type) -> Iterator[tuple[str, int]]:
        """Yield names and types of a section's variables."""
        for held in self.held(section):
            yield held.name, held.refers_to

    def held(self, section: Type) -> Iterator[Type]:
        """Yield a section's variables and functions; nothing for other types."""
        if section.kind is Kind.DATASEC:
            for id_, _, _ in self._rows("III", section):
                yield self.type(id_)

    def sections(self) -> Iterator[Type]:
        """Yield an object's sections of variables."""
        return (it for it in self.types() if it.kind is Kind.DATASEC)

    def array(self, type_: Type) -> tuple[int, int]:
        """Return an array's type of element, and how many there are."""
        if type_.kind is not Kind.ARRAY:
            raise BtfError(f"its type {type_.id} is not an array")
        element, _, length = struct.unpack_from(self.order + "III", self.data, type_.at)
        return element, length

    def integer(self, type_: Type) -> Integer:
        """Return how an integer lies in its bytes."""
        if type_.kind is not Kind.INT:
            raise BtfError(f"its type {type_.id} is not an integer")
        (word,) = struct.unpack_from(self.order + "I", self.data, type_.at)
        return Integer(word >> 24 & 0xF, word >> 16 & 0xFF, word & 0xFF)

    def size(self, id_: int, depth: int = 0) -> int:
        """Return a type's size in bytes."""
        found = self.resolved(id_)
        if found.kind is Kind.PTR:
            return _POINTER_SIZE
        if found.kind is not Kind.ARRAY:
            return found.size
        if depth == _DEEPEST:
            raise BtfError("its types go in circles")
        element, length = self.array(found)
        return length * self.size(element, depth + 1)

    # ------------------------------------------------------------ by name

    def offset_of(self, type_name: str, path: str) -> int:
        """Return a member's offset in bytes, by its path: "thread.fsbase".

        Raises BtfError that names what is near, when it is not there.
        """
        return self._place(type_name, path)[0]

    def size_of(self, type_name: str, path: str = "") -> int:
        """Return the size of a type, or of a member, in bytes."""
        if path:
            return self.size(self._place(type_name, path)[1])
        return self.size(self.find(type_name).id)

    def _place(self, type_name: str, path: str) -> tuple[int, int]:
        type_id, bit = self.find(type_name).id, 0
        for word in path.split("."):
            fields = {it.name: it for it in self.fields(self.resolved(type_id))}
            if word not in fields:
                raise _lacking(f"{type_name} has no {path}", word, fields)
            bit += fields[word].bit
            type_id = fields[word].type_id
        return bit // 8, type_id

    def _rows(self, layout: str, type_: Type) -> Iterator[tuple[int, ...]]:
        row = struct.Struct(self.order + layout)
        # A type of the base has its members there.
        data = self._holder(type_).data
        return row.iter_unpack(data[type_.at : type_.at + type_.count * row.size])

    def _holder(self, type_: Type) -> "Btf":
        found = self
        while found.base and type_.id <= found.base.last_id:
            found = found.base
        return found


def _lacking(what: str, word: str, known: Iterable[str]) -> BtfError:
    meant = did_you_mean(word, known, cutoff=0.75)
    return BtfError(f"{what}; {meant}" if meant else what)


# For as many kernels as one process works on at a time.
@lru_cache(maxsize=4)
def of_file(path: Path) -> Btf:
    """Read a file in the cache of artifacts, which never changes. Raises BtfError."""
    return parse(path.read_bytes())


def parse(data: bytes, base: Btf | None = None) -> Btf:
    """Read raw BTF in either byte order; `base` is what split BTF stands on.

    Raises BtfError that says what is wrong with it.
    """
    order = MAGICS.get(data[:2])
    if order is None:
        raise BtfError("it does not begin as BTF does (9f eb)")
    if len(data) < _HEADER_SIZE:
        raise BtfError("it is truncated: its header is incomplete")
    version, header, types, types_size, strings, size = struct.unpack_from(
        order + _HEADER, data
    )
    if version != 1:
        raise BtfError(f"it has version {version}, but only 1 is known")
    types, strings = header + types, header + strings
    end = max(types + types_size, strings + size)
    if end > len(data) or header < _HEADER_SIZE:
        raise BtfError(f"it is truncated: it has only {len(data)} of {end} bytes")
    # Split BTF may have no strings of its own.
    if (size == 0 and base is None) or (size and data[strings + size - 1] != 0):
        raise BtfError("its strings have no end")
    offsets, last = _walk(data, order, types, types + types_size)
    found = Btf(
        data=data,
        order=order,
        offsets=offsets,
        strings=strings,
        strings_size=size,
        base=base,
    )
    if last >= found.strings_end:
        raise BtfError(f"it refers to a string at {last}, beyond its strings")
    return found


def _walk(data: bytes, order: str, at: int, end: int) -> tuple[tuple[int, ...], int]:
    """Return where types begin, and the last string that one is named by."""
    unpack = struct.Struct(order + "II").unpack_from
    offsets, last = [], 0
    while at + _TYPE_SIZE <= end:
        offsets.append(at)
        name, info = unpack(data, at)
        last = max(last, name)
        kind = info >> 24 & 0x1F
        tail = _TAILS.get(kind)
        if tail is None:
            raise BtfError(f"it contains a type of the unknown kind {kind}")
        at += _TYPE_SIZE + tail[0] + tail[1] * (info & 0xFFFF)
    if at != end:
        raise BtfError("its last type is incomplete")
    return tuple(offsets), last
