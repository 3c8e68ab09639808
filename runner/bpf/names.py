"""Names in BTF: what an access reads, what resembles it, and where a field lies."""

import functools
from dataclasses import dataclass
from pathlib import Path

from runner.bpf import btf
from runner.bpf.btf import COMPOSITES, ENUMERATIONS, Btf, BtfError, Member, Type
from runner.bpf.kinds import Kind
from runner.nearest import nearest

_MOST_NEAR = 3


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

    Raises BtfError for damaged data.
    """
    return Names(path.read_bytes())


class Names:
    """A reader of raw BTF by names. Methods raise BtfError for damaged data."""

    def __init__(self, data: bytes) -> None:
        self._btf: Btf = btf.parse(data)

    def access(self, type_id: int, path: str, *, enumerator: bool = False) -> Access:
        """Return what a relocation's access string, such as "0:2:1", means."""
        try:
            numbers = [int(part) for part in path.split(":")]
            return self._access(type_id, numbers, enumerator=enumerator)
        except (ValueError, IndexError) as error:
            raise BtfError(f"a relocation is damaged: {error}") from error

    def has(self, type_name: str) -> bool:
        """Whether there is such a type, as in "struct task_struct"."""
        return type_name in self._btf.named

    def near_types(self, type_name: str) -> list[str]:
        """Return types that resemble a name, the nearest first."""
        return nearest(type_name, self._btf.named, _MOST_NEAR, cutoff=0.75)

    def near_members(self, type_name: str, path: str) -> list[str]:
        """Return paths of members that resemble one, or enumerators."""
        outer, _, wanted = path.rpartition(".")
        if not self.has(type_name):
            return []
        found = self._btf.find(type_name)
        for name in filter(None, outer.split(".")):
            field = self._field(found, name)
            if field is None:
                return []
            found = self._btf.resolved(field.type_id)
        near = nearest(wanted, self._inside(found), _MOST_NEAR)
        return [f"{outer}.{name}" if outer else name for name in near]

    def offset_of(self, type_name: str, path: str) -> int:
        """Return a member's offset in bytes, by its path: "thread.fsbase".

        Raises BtfError that names what is near, when it is not there.
        """
        return self._place(type_name, path)[0]

    def size_of(self, type_name: str, path: str = "") -> int:
        """Return the size of a type, or of a member, in bytes."""
        if path:
            return self._btf.size(self._place(type_name, path)[1])
        return self._btf.size(self._type(type_name).id)

    # ------------------------------------------------------------- access

    def _access(self, type_id: int, numbers: list[int], *, enumerator: bool) -> Access:
        found = self._btf.resolved(type_id)
        type_name = str(found).partition("___")[0]
        if enumerator:
            name = self._inside(found)[numbers[0]]
            return Access(type_name=type_name, path=name.partition("___")[0])
        words: list[str] = []
        for number in numbers[1:]:
            if found.kind is Kind.ARRAY:
                words[-1:] = [f"{words[-1]}[{number}]"] if words else [f"[{number}]"]
                found = self._btf.resolved(self._btf.array(found)[0])
                continue
            if found.kind not in COMPOSITES:
                raise ValueError(f"no member {number} of a type of kind {found.kind}")
            member = list(self._btf.members(found))[number]
            words += [member.name] if member.name else []
            found = self._btf.resolved(member.type_id)
        return Access(type_name=type_name, path=".".join(words))

    # ------------------------------------------------------------- places

    def _type(self, type_name: str) -> Type:
        if not self.has(type_name):
            near = self.near_types(type_name)
            raise BtfError(f"there is no {type_name}", hint=f"near: {', '.join(near)}")
        return self._btf.find(type_name)

    def _place(self, type_name: str, path: str) -> tuple[int, int]:
        type_id, bit = self._type(type_name).id, 0
        for word in path.split("."):
            found = self._field(self._btf.resolved(type_id), word)
            if found is None:
                near = ", ".join(self.near_members(type_name, path))
                raise BtfError(
                    f"{type_name} has no {path}"
                    + (f"; similar: {near}" if near else "")
                )
            bit += found.bit
            type_id = found.type_id
        return bit // 8, type_id

    def _field(self, type_: Type, name: str) -> Member | None:
        return next((it for it in self._btf.fields(type_) if it.name == name), None)

    def _inside(self, type_: Type) -> list[str]:
        """Return the names of fields or enumerators, each once."""
        if type_.kind in ENUMERATIONS:
            return [name for name, _ in self._btf.enumerators(type_)]
        return list(dict.fromkeys(it.name for it in self._btf.fields(type_)))
