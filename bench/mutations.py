"""One member of a BTF renamed, moved, resized or retyped, at random from a seed."""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from runner.preflight.engine import RelocationAnswer
from runner.preflight.model import Difference

INT, PTR, ARRAY, STRUCT, UNION, TYPEDEF = 1, 2, 3, 4, 5, 8
MODIFIERS = (TYPEDEF, 9, 10, 11, 18)
TAILS = {INT: 4, ARRAY: 12, 14: 4, 17: 4}
EACH = {STRUCT: 12, UNION: 12, 6: 8, 13: 8, 15: 12, 19: 12}
KINDS = (
    Difference.RENAMED,
    Difference.MOVED,
    Difference.RESIZED,
    Difference.RETYPED,
)


@dataclass(frozen=True)
class Member:
    """A member: the struct's id, and which one it is."""

    type_id: int
    index: int


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """What was done to a member."""

    kind: Difference
    member: Member
    # The member's new name, or its only one.
    name: str
    data: bytes


@dataclass
class Mutator:
    """Mutates a little-endian BTF."""

    data: bytes
    starts: list[int] = field(default_factory=lambda: [0])
    _members: dict[Member, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        head = struct.unpack_from("<HBBIIIII", self.data)
        self.header, types, size, self.strings = *head[3:6], head[6]
        at, end = self.header + types, self.header + types + size
        while at < end:
            self.starts.append(at)
            kind, count = self._kind(at), self._count(at)
            at += 12 + TAILS.get(kind, 0) + EACH.get(kind, 0) * count
        # Ints by size, and some pointer.
        self.ints = {
            self._word(start + 8): id_
            for id_, start in enumerate(self.starts)
            if start and self._kind(start) == INT and not self._word(start + 12) >> 24
        }
        self.pointer = next(
            id_ for id_, it in enumerate(self.starts) if it and self._kind(it) == PTR
        )

    def touched(self, answers: list[RelocationAnswer]) -> Iterator[tuple[int, Member]]:
        """Yield which members relocations go through, by the relocation's index."""
        for number, answer in enumerate(answers):
            # "<byte_off> [108398] struct task_struct.pid (0:95 @ offset 2824)"
            if not answer.spec or "(" not in answer.spec or " @ " not in answer.spec:
                continue
            id_ = int(answer.spec.partition("[")[2].partition("]")[0])
            path = answer.spec.rpartition("(")[2].partition(" @ ")[0].split(":")
            for step in map(int, path[1:]):
                id_ = self._bare(id_)
                start = self.starts[id_]
                if self._kind(start) == ARRAY:
                    id_ = self._word(start + 12)
                    continue
                yield number, Member(id_, step)
                id_ = self._word(self._place(Member(id_, step)) + 4)

    def all_members(self) -> list[Member]:
        """Return the members of all structs."""
        return [
            Member(id_, index)
            for id_, start in enumerate(self.starts)
            if start and self._kind(start) == STRUCT
            for index in range(self._count(start))
        ]

    def mutate(
        self, member: Member, kind: Difference, dice: random.Random
    ) -> Mutation | None:
        """Return a member's mutation, or None when it has none of this kind."""
        place = self._place(member)
        name, type_, offset = struct.unpack_from("<III", self.data, place)
        bare = self.starts[self._bare(type_)]
        what = self._kind(bare) if bare else 0
        bitfield = self._word(self.starts[member.type_id] + 4) >> 31 and offset >> 24
        data = bytearray(self.data)
        text = self._text(name)
        if kind is Difference.RENAMED:
            if not text:
                return None
            text = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz_", k=12))
            strings_size = self._word(20)
            struct.pack_into("<I", data, place, strings_size)
            struct.pack_into("<I", data, 20, strings_size + len(text) + 1)
            end = self.header + self.strings + strings_size
            assert end == len(data)
            data += text.encode() + b"\0"
        elif kind is Difference.MOVED:
            moved = offset + 64 * dice.randint(1, 64)
            if bitfield:
                return None
            struct.pack_into("<I", data, place + 8, moved)
        elif kind is Difference.RESIZED:
            if what != INT or bitfield:
                return None
            size = self._word(bare + 8)
            others = [it for it in self.ints if it != size and it <= 8]
            struct.pack_into("<I", data, place + 4, self.ints[dice.choice(others)])
        else:
            if bitfield or what not in (INT, PTR, STRUCT, ARRAY) or not text:
                return None
            other = self.ints[8] if what != INT else self.pointer
            struct.pack_into("<I", data, place + 4, other)
        return Mutation(kind=kind, member=member, name=text, data=bytes(data))

    def _place(self, member: Member) -> int:
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
