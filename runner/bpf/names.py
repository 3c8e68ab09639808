"""Names in BTF: what an access reads, what resembles it, and where a field lies."""

import difflib
import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runner.bpf import btf as btf_format
from runner.bpf.btf import Btf
from runner.errors import ArtifactError

_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")
_ARRAY = struct.Struct("<III")
_INT, _PTR, _ARRAY_KIND, _STRUCT, _UNION, _ENUM, _FWD = 1, 2, 3, 4, 5, 6, 7
_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG, _ENUM64 = 8, 9, 10, 11, 18, 19
_MODIFIERS = (_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG)
_WORDS = {
    _STRUCT: "struct ",
    _UNION: "union ",
    _ENUM: "enum ",
    _ENUM64: "enum ",
    _FWD: "struct ",
}
# Modifiers behind each other, and types within each other: more only in a circle.
_DEEPEST = 64
_MOST_NEAR = 3


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member of a struct or union."""

    # Empty for one of which the members are the struct's own.
    name: str
    type_id: int
    # From the beginning of the struct.
    bit: int


@dataclass(frozen=True, kw_only=True)
class Access:
    """What a relocation is about, by names."""

    # "struct task_struct", without a flavor's suffix.
    type_name: str
    # "thread.fsbase", an enumerator, or empty for the type itself.
    path: str

    def __str__(self) -> str:
        if not self.path:
            return self.type_name
        return f"{self.type_name.rpartition(' ')[2]}.{self.path}"


# For as many kernels as one process works on at a time.
@functools.lru_cache(maxsize=4)
def of_file(path: Path) -> "Names":
    """Return the names of a file in the cache of artifacts, which never changes.

    Raises ArtifactError for what is damaged.
    """
    return Names(path.read_bytes())


class Names:
    """A reader of raw BTF by names. Methods raise ArtifactError for what is damaged."""

    def __init__(self, data: bytes) -> None:
        self._btf: Btf = btf_format.parse(data)

    def access(self, type_id: int, path: str, *, enumerator: bool = False) -> Access:
        """Return what a relocation's access string, such as "0:2:1", stands for."""
        try:
            return self._access(type_id, path, enumerator=enumerator)
        except (struct.error, ValueError, IndexError, RecursionError) as error:
            raise ArtifactError(f"a relocation is damaged: {error}") from error

    def has(self, type_name: str) -> bool:
        """Whether there is such a type, as in "struct task_struct"."""
        return type_name in self._named

    def near_types(self, type_name: str) -> list[str]:
        """Return types that resemble a name, the nearest first."""
        return difflib.get_close_matches(type_name, self._named, _MOST_NEAR, 0.75)

    def near_members(self, type_name: str, path: str) -> list[str]:
        """Return paths of members that resemble one, or enumerators."""
        outer, _, wanted = path.rpartition(".")
        start = self._named.get(type_name)
        for name in filter(None, outer.split(".")):
            start = None if start is None else self._inner(start, name)
        if start is None:
            return []
        names = dict.fromkeys(self._inside(start))
        near = difflib.get_close_matches(wanted, names, _MOST_NEAR, 0.6)
        return [f"{outer}.{name}" if outer else name for name in near]

    def offset_of(self, type_name: str, path: str) -> int:
        """Return a member's offset in bytes, by its path: "thread.fsbase".

        Raises ArtifactError that names what is near, when it is not there.
        """
        return self._place(type_name, path)[0]

    def size_of(self, type_name: str, path: str = "") -> int:
        """Return the size of a type, or of a member, in bytes."""
        if path:
            return self._size(self._place(type_name, path)[1], 0)
        return self._size(self._id(type_name), 0)

    # ------------------------------------------------------------- access

    def _access(self, type_id: int, path: str, *, enumerator: bool) -> Access:
        type_id = self._resolved(type_id)
        _, *numbers = (int(part) for part in path.split(":"))
        type_name = self._type_name(type_id).partition("___")[0]
        if enumerator:
            index = int(path.split(":")[0])
            names = list(self._inside(type_id))
            return Access(type_name=type_name, path=names[index].partition("___")[0])
        words: list[str] = []
        for number in numbers:
            type_id = self._resolved(type_id)
            kind = self._head(type_id)[1]
            if kind == _ARRAY_KIND:
                words[-1:] = [f"{words[-1]}[{number}]"] if words else [f"[{number}]"]
                type_id = self._array(type_id)[0]
                continue
            if kind not in (_STRUCT, _UNION):
                raise ValueError(f"no member {number} of a type of kind {kind}")
            member = list(self._members(type_id))[number]
            words += [member.name] if member.name else []
            type_id = member.type_id
        return Access(type_name=type_name, path=".".join(words))

    # ------------------------------------------------------------- places

    def _id(self, type_name: str) -> int:
        found = self._named.get(type_name)
        if found is None:
            near = self.near_types(type_name)
            raise ArtifactError(
                f"there is no {type_name}", hint=f"near: {', '.join(near)}"
            )
        return found

    def _place(self, type_name: str, path: str) -> tuple[int, int]:
        type_id, bit = self._id(type_name), 0
        for word in path.split("."):
            found = self._find(self._resolved(type_id), word, 0)
            if found is None:
                near = ", ".join(self.near_members(type_name, path))
                raise ArtifactError(
                    f"{type_name} has no {path}" + (f"; it has {near}" if near else "")
                )
            bit += found.bit
            type_id = found.type_id
        return bit // 8, type_id

    def _find(self, type_id: int, name: str, depth: int) -> Member | None:
        if self._head(type_id)[1] not in (_STRUCT, _UNION):
            return None
        for member in self._members(type_id):
            if member.name == name:
                return member
            if not member.name and depth < _DEEPEST:
                inner = self._find(self._resolved(member.type_id), name, depth + 1)
                if inner is not None:
                    return Member(
                        name=name, type_id=inner.type_id, bit=member.bit + inner.bit
                    )
        return None

    def _inner(self, type_id: int, name: str) -> int | None:
        found = self._find(type_id, name, 0)
        return None if found is None else self._resolved(found.type_id)

    def _inside(self, type_id: int, depth: int = 0) -> Iterator[str]:
        """Yield the names of members, with those of nameless ones, or enumerators."""
        kind = self._head(type_id)[1]
        if kind in (_ENUM, _ENUM64):
            yield from self._enumerators(type_id)
        elif kind in (_STRUCT, _UNION):
            for member in self._members(type_id):
                if member.name:
                    yield member.name
                elif depth < _DEEPEST:
                    yield from self._inside(self._resolved(member.type_id), depth + 1)

    # -------------------------------------------------------------- types

    @cached_property
    def _named(self) -> dict[str, int]:
        """Types by name; of several the first."""
        named: dict[str, int] = {}
        for type_id in range(1, len(self._btf.offsets) + 1):
            name, kind, _, _ = self._head(type_id)
            if name and (kind in _WORDS or kind == _TYPEDEF) and kind != _FWD:
                named.setdefault(self._type_name(type_id), type_id)
        return named

    def _head(self, type_id: int) -> tuple[int, int, int, int]:
        """Return where the name is, kind, information, and size or type."""
        if not 1 <= type_id <= len(self._btf.offsets):
            raise ArtifactError(f"there is no type {type_id}")
        start = self._btf.offsets[type_id - 1]
        name, info, size = _TYPE.unpack_from(self._btf.data, start)
        return name, info >> 24 & 0x1F, info, size

    def _type_name(self, type_id: int) -> str:
        name, kind, _, _ = self._head(type_id)
        return _WORDS.get(kind, "") + self._btf.text(name)

    def _resolved(self, type_id: int) -> int:
        for _ in range(_DEEPEST):
            _, kind, _, inner = self._head(type_id)
            if kind not in _MODIFIERS or inner == 0:
                return type_id
            type_id = inner
        raise ArtifactError("types go in circles")

    def _members(self, type_id: int) -> Iterator[Member]:
        _, _, info, _ = self._head(type_id)
        start = self._btf.offsets[type_id - 1] + _TYPE.size
        for number in range(info & 0xFFFF):
            name, inner, place = _MEMBER.unpack_from(
                self._btf.data, start + number * _MEMBER.size
            )
            # With the flag the upper 8 bits are a bitfield's size.
            bit = place & 0xFFFFFF if info >> 31 else place
            yield Member(name=self._btf.text(name), type_id=inner, bit=bit)

    def _enumerators(self, type_id: int) -> Iterator[str]:
        _, kind, info, _ = self._head(type_id)
        start = self._btf.offsets[type_id - 1] + _TYPE.size
        each = 12 if kind == _ENUM64 else 8
        for number in range(info & 0xFFFF):
            (name,) = struct.unpack_from("<I", self._btf.data, start + number * each)
            yield self._btf.text(name)

    def _array(self, type_id: int) -> tuple[int, int]:
        """Return an array's type of element and its length."""
        start = self._btf.offsets[type_id - 1] + _TYPE.size
        element, _, length = _ARRAY.unpack_from(self._btf.data, start)
        return element, length

    def _size(self, type_id: int, depth: int) -> int:
        type_id = self._resolved(type_id)
        _, kind, _, size = self._head(type_id)
        if kind == _PTR:
            return 8
        if kind == _ARRAY_KIND and depth < _DEEPEST:
            element, length = self._array(type_id)
            return length * self._size(element, depth + 1)
        return size
