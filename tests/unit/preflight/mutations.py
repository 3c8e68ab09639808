"""One member of a BTF renamed, moved, resized or retyped, at random from a seed."""

import random
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from runner.preflight.engine import RelocationAnswer
from runner.preflight.model import Difference

INT, PTR, ARRAY, STRUCT, UNION, TYPEDEF = 1, 2, 3, 4, 5, 8
MODIFIERS = (TYPEDEF, 9, 10, 11, 18)
TAILS = {INT: 4, ARRAY: 12, 14: 4, 17: 4}
EACH = {STRUCT: 12, UNION: 12, 6: 8, 13: 8, 15: 12, 19: 12}
# Bytes.
POINTER = 8
SIGNED = 1 << 24
HAS_BITFIELDS = 1 << 31
LETTERS = "abcdefghijklmnopqrstuvwxyz_"


class Way(StrEnum):
    """What is done to a member."""

    RENAMED = "renamed"
    # Elsewhere in its struct.
    SHIFTED = "shifted"
    # Into a struct that stands where the member stood.
    NESTED = "nested"
    # An integer or an array that is as long as another.
    RESIZED = "resized"
    NARROWED = "bitfield narrowed or widened"
    # A pointer to what was an integer, an integer to what was not.
    RETYPED = "retyped"
    RESIGNED = "another sign"
    # A pointer to another struct, or another struct.
    POINTS_ELSEWHERE = "pointer to another struct"
    OTHER_STRUCT = "another struct"
    # Into a nameless union where the member stood: that makes no difference.
    IN_UNION = "in a nameless union"


# Those that only change the member itself.
PLAIN = (Way.RENAMED, Way.SHIFTED, Way.RESIZED, Way.RETYPED)

# What each has to be called, None where nothing may be reported.
CALLED: dict[Way, Difference | None] = {
    Way.RENAMED: Difference.RENAMED,
    Way.SHIFTED: Difference.MOVED,
    Way.NESTED: Difference.MOVED,
    Way.RESIZED: Difference.RESIZED,
    Way.NARROWED: Difference.RESIZED,
    Way.RETYPED: Difference.RETYPED,
    Way.RESIGNED: Difference.RETYPED,
    Way.POINTS_ELSEWHERE: Difference.RETYPED,
    Way.OTHER_STRUCT: Difference.RETYPED,
    Way.IN_UNION: None,
}


# The name that it has then, and the whole BTF.
_Change = tuple[str, bytes]


@dataclass(frozen=True, order=True)
class Member:
    """A member: the struct's id, and which one it is."""

    type_id: int
    index: int


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """What was done to a member."""

    way: Way
    member: Member
    # As a report has to call it at the end of an access: "new_name", "into.old_name".
    name: str
    data: bytes


@dataclass(frozen=True)
class _Place:
    """A member as it is."""

    # Where in the file, its name there, its type and place in the struct.
    at: int
    name: int
    text: str
    type: int
    offset: int
    # Bits of a bitfield, 0 for others.
    bits: int
    # The type behind typedefs; 0 for void.
    bare: int


@dataclass
class Mutator:
    """Mutates a little-endian BTF."""

    data: bytes
    starts: list[int] = field(default_factory=lambda: [0])

    def __post_init__(self) -> None:
        head = struct.unpack_from("<HBBIIIII", self.data)
        self.header, types, size, self.strings = *head[3:6], head[6]
        at, end = self.header + types, self.header + types + size
        # What is new goes in between.
        assert (types, end) == (0, self.header + self.strings)
        while at < end:
            self.starts.append(at)
            kind, count = self._kind(at), self._count(at)
            at += 12 + TAILS.get(kind, 0) + EACH.get(kind, 0) * count
        # Integers by size and sign, and some pointer.
        self.integers = {
            (self._word(start + 8), self._word(start + 12) & SIGNED): id_
            for id_, start in enumerate(self.starts)
            if start
            and self._kind(start) == INT
            and not self._word(start + 12) >> 24 & 6
            and self._word(start + 12) & 0xFF == 8 * self._word(start + 8)
        }
        self.pointer = next(
            id_ for id_, it in enumerate(self.starts) if it and self._kind(it) == PTR
        )

    def touched(
        self, answers: list[RelocationAnswer]
    ) -> Iterator[tuple[int, Member, bool]]:
        """Yield the members that relocations go through, by the relocation's index.

        Whether it is the last one, too: then its type counts and not only what that
        holds.
        """
        for number, answer in enumerate(answers):
            # "<byte_off> [108398] struct task_struct.pid (0:95 @ offset 2824)"
            if not answer.spec or "(" not in answer.spec or " @ " not in answer.spec:
                continue
            id_ = int(answer.spec.partition("[")[2].partition("]")[0])
            path = answer.spec.rpartition("(")[2].partition(" @ ")[0].split(":")
            steps = [int(it) for it in path[1:]]
            for place, step in enumerate(steps):
                id_ = self._bare(id_)
                start = self.starts[id_]
                if self._kind(start) == ARRAY:
                    id_ = self._word(start + 12)
                    continue
                yield number, Member(id_, step), place == len(steps) - 1
                id_ = self._word(self._at(Member(id_, step)) + 4)

    def all_members(self) -> list[Member]:
        """Return the members of all structs."""
        return [
            Member(id_, index)
            for id_, start in enumerate(self.starts)
            if start and self._kind(start) == STRUCT
            for index in range(self._count(start))
        ]

    def siblings(self, member: Member) -> list[Member]:
        """Return the other members of a member's struct."""
        count = self._count(self.starts[member.type_id])
        return [
            Member(member.type_id, index)
            for index in range(count)
            if index != member.index
        ]

    def mutate(
        self, member: Member, way: Way, dice: random.Random, *, last: bool = True
    ) -> Mutation | None:
        """Return a member's mutation, or None when it can't be mutated this way.

        `last` when accesses end there: of others nobody sees a type's length.
        """
        place = self._place(member)
        change = _WAYS[way](self, place, dice, last)
        if change is None:
            return None
        name, data = change
        return Mutation(way=way, member=member, name=name, data=data)

    # ----------------------------------------------------------------- ways

    def _rename(self, place: _Place, dice: random.Random, last: bool) -> _Change | None:
        if not place.text:
            return None
        edit = _Edit(self.data)
        name = _letters(dice)
        edit.member(place, name=edit.text(name))
        return name, edit.done()

    def _shift(self, place: _Place, dice: random.Random, last: bool) -> _Change | None:
        if place.bits:
            return None
        downwards = min(64, place.offset // 64)
        by = dice.choice([*range(-downwards, 0), *range(1, 65)])
        return self._with(place, offset=place.offset + 64 * by)

    def _nest(self, place: _Place, dice: random.Random, last: bool) -> _Change | None:
        if not place.text or place.bits:
            return None
        edit = _Edit(self.data)
        holder = _letters(dice)
        inner = edit.record(
            STRUCT, 0, self._size(place.type), place.name, place.type, len(self.starts)
        )
        edit.member(place, name=edit.text(holder), type_=inner)
        return f"{holder}.{place.text}", edit.done()

    def _in_union(
        self, place: _Place, dice: random.Random, last: bool
    ) -> _Change | None:
        if not place.text or place.bits:
            return None
        edit = _Edit(self.data)
        inner = edit.record(
            UNION, 0, self._size(place.type), place.name, place.type, len(self.starts)
        )
        edit.member(place, name=0, type_=inner)
        return place.text, edit.done()

    def _resize(self, place: _Place, dice: random.Random, last: bool) -> _Change | None:
        kind = self._kind(self.starts[place.bare])
        if place.bits or not place.bare:
            return None
        start = self.starts[place.bare]
        if kind == INT:
            size, sign = self._word(start + 8), self._word(start + 12) & SIGNED
            others = [
                id_
                for (other, its), id_ in self.integers.items()
                if other != size and other <= POINTER and its == sign
            ]
            return self._with(place, type_=dice.choice(others)) if others else None
        # An array in an array, and what an array's element reads, stay what they are.
        if kind != ARRAY or not last or not self._word(start + 20):
            return None
        edit = _Edit(self.data)
        count = self._word(start + 20) + dice.randint(1, 64)
        element, index = struct.unpack_from("<II", self.data, start + 12)
        array = struct.pack("<IIIIII", 0, ARRAY << 24, 0, element, index, count)
        edit.member(place, type_=edit.type(array, len(self.starts)))
        return place.text, edit.done()

    def _narrow(self, place: _Place, dice: random.Random, last: bool) -> _Change | None:
        if not place.bits:
            return None
        bits = dice.choice([it for it in range(1, 9) if it != place.bits])
        return self._with(place, offset=bits << 24 | place.offset & 0xFFFFFF)

    def _retype(self, place: _Place, dice: random.Random, last: bool) -> _Change | None:
        kind = self._kind(self.starts[place.bare])
        if place.bits or kind not in (INT, PTR, STRUCT, ARRAY) or not place.text:
            return None
        # What is no array reads as its first element where that is no struct.
        other = self.pointer if kind == INT else self._integer
        return self._with(place, type_=other)

    def _resign(self, place: _Place, dice: random.Random, last: bool) -> _Change | None:
        start = self.starts[place.bare]
        if place.bits or self._kind(start) != INT:
            return None
        sign = self._word(start + 12) & SIGNED ^ SIGNED
        other = self.integers.get((self._word(start + 8), sign))
        return None if other is None else self._with(place, type_=other)

    def _point(self, place: _Place, dice: random.Random, last: bool) -> _Change | None:
        if self._kind(self.starts[place.bare]) != PTR or not last:
            return None
        return self._elsewhere(place, dice, pointer=True)

    def _replace(
        self, place: _Place, dice: random.Random, last: bool
    ) -> _Change | None:
        if self._kind(self.starts[place.bare]) != STRUCT or not last or not place.text:
            return None
        return self._elsewhere(place, dice, pointer=False)

    def _elsewhere(
        self, place: _Place, dice: random.Random, *, pointer: bool
    ) -> _Change:
        edit, number = _Edit(self.data), len(self.starts)
        size = self._size(place.type) if dice.random() < 0.5 else POINTER
        name, only = edit.text(_letters(dice)), edit.text(_letters(dice))
        new = edit.record(STRUCT, name, max(size, POINTER), only, self._integer, number)
        if pointer:
            new = edit.type(struct.pack("<III", 0, PTR << 24, new), number + 1)
        edit.member(place, type_=new)
        return place.text, edit.done()

    def _with(self, place: _Place, **changes: int) -> _Change:
        edit = _Edit(self.data)
        edit.member(place, **changes)
        return place.text, edit.done()

    # -------------------------------------------------------------- reading

    @property
    def _integer(self) -> int:
        return self.integers[POINTER, 0]

    def _place(self, member: Member) -> _Place:
        at = self._at(member)
        name, type_, offset = struct.unpack_from("<III", self.data, at)
        bitfields = self._word(self.starts[member.type_id] + 4) & HAS_BITFIELDS
        return _Place(
            at=at,
            name=name,
            text=self._text(name),
            type=type_,
            offset=offset,
            bits=offset >> 24 if bitfields else 0,
            bare=self._bare(type_),
        )

    def _size(self, id_: int) -> int:
        """Return a type's size in bytes."""
        start = self.starts[self._bare(id_)]
        if self._kind(start) == PTR:
            return POINTER
        if self._kind(start) == ARRAY:
            return self._word(start + 20) * self._size(self._word(start + 12))
        return self._word(start + 8)

    def _at(self, member: Member) -> int:
        return self.starts[member.type_id] + 12 + 12 * member.index

    def _bare(self, id_: int) -> int:
        while id_ and self._kind(self.starts[id_]) in MODIFIERS:
            id_ = self._word(self.starts[id_] + 8)
        return id_

    def _text(self, offset: int) -> str:
        start = self.header + self.strings + offset
        return self.data[start : self.data.index(b"\0", start)].decode()

    def _kind(self, at: int) -> int:
        return self._word(at + 4) >> 24 & 31

    def _count(self, at: int) -> int:
        return self._word(at + 4) & 0xFFFF

    def _word(self, at: int) -> int:
        found: int = struct.unpack_from("<I", self.data, at)[0]
        return found


_WAYS: Mapping[
    Way, Callable[[Mutator, _Place, random.Random, bool], _Change | None]
] = {
    Way.RENAMED: Mutator._rename,
    Way.SHIFTED: Mutator._shift,
    Way.NESTED: Mutator._nest,
    Way.RESIZED: Mutator._resize,
    Way.NARROWED: Mutator._narrow,
    Way.RETYPED: Mutator._retype,
    Way.RESIGNED: Mutator._resign,
    Way.POINTS_ELSEWHERE: Mutator._point,
    Way.OTHER_STRUCT: Mutator._replace,
    Way.IN_UNION: Mutator._in_union,
}


class _Edit:
    """A copy of a BTF with a member changed, and types and texts added."""

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)
        self._types = b""
        self._texts = b""
        self._strings_size: int = struct.unpack_from("<I", data, 20)[0]

    def member(
        self,
        place: _Place,
        *,
        name: int | None = None,
        type_: int | None = None,
        offset: int | None = None,
    ) -> None:
        """Change a member; None keeps what is there."""
        new = (name, type_, offset)
        old = (place.name, place.type, place.offset)
        struct.pack_into(
            "<III",
            self._data,
            place.at,
            *(was if it is None else it for it, was in zip(new, old, strict=True)),
        )

    def text(self, text: str) -> int:
        """Add a text; return where it is."""
        at = self._strings_size + len(self._texts)
        self._texts += text.encode() + b"\0"
        return at

    def type(self, data: bytes, id_: int) -> int:
        """Add a type, whose id is the next one; return that."""
        self._types += data
        return id_

    def record(
        self, kind: int, name: int, size: int, member: int, type_: int, id_: int
    ) -> int:
        """Add a struct or union with one member."""
        head = struct.pack("<III", name, kind << 24 | 1, size)
        return self.type(head + struct.pack("<III", member, type_, 0), id_)

    def done(self) -> bytes:
        """Return the whole BTF."""
        header, _, types, strings, size = struct.unpack_from("<5I", self._data, 4)
        data = self._data
        struct.pack_into("<I", data, 12, types + len(self._types))
        struct.pack_into("<I", data, 16, strings + len(self._types))
        struct.pack_into("<I", data, 20, size + len(self._texts))
        data += self._texts
        data[header + strings : header + strings] = self._types
        return bytes(data)


def _letters(dice: random.Random) -> str:
    return "".join(dice.choices(LETTERS, k=12))
