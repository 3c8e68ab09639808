"""Kernels' BTF in which one field is where it is not, for objects that read it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.bpf import btf as btf_format
from runner.bpf.btf import COMPOSITES, Btf, Type
from runner.bpf.kinds import Kind, RelocationKind
from runner.bpf.names import Access, access
from runner.bpf.object import read

# Bits.
SHIFT = 64


@dataclass(frozen=True)
class Shifted:
    """BTF with one field shifted by 8 bytes."""

    # Such as "task_struct.thread.fsbase".
    field: str
    data: bytes


def relocated(object_: Path) -> list[Access]:
    """Return the fields of which an object wants the offset."""
    item = read(object_.read_bytes())
    found = {
        str(field): field
        for relocations in item.debug.relocations.values()
        for relocation in relocations
        if relocation.kind == RelocationKind.BYTE_OFF
        for field in [access(item.btf, relocation.type_id, relocation.access)]
    }
    return [found[name] for name in sorted(found)]


def shifted(btf: bytes, fields: list[Access]) -> Iterator[Shifted]:
    """Yield the BTF with each of the fields shifted that it has.

    Of a field within fields, "thread.fsbase", the innermost is shifted, in every struct
    of the name. What the BTF lacks is left out: the object reads it on other kernels.
    """
    types = btf_format.parse(btf)
    for field in fields:
        places = {place for place in _places(types, field) if place}
        if places:
            changed = bytearray(btf)
            for place in places:
                (offset,) = struct.unpack_from("<I", btf, place)
                struct.pack_into("<I", changed, place, offset + SHIFT)
            yield Shifted(str(field), bytes(changed))


def _places(types: Btf, field: Access) -> Iterator[int | None]:
    """Yield where the field's offset stands, for every type of the name."""
    for it in types.types():
        if it.kind in COMPOSITES and str(it) == field.type_name:
            yield _place(types, it, field.path)


def _place(types: Btf, type_: Type, path: str) -> int | None:
    place = None
    for word in path.split("."):
        found = _member(types, type_, word.partition("[")[0])
        if found is None:
            return None
        place, type_ = found
    return place


def _member(types: Btf, type_: Type, name: str) -> tuple[int, Type] | None:
    """Return where a member's offset stands, and its type; of nameless ones as well."""
    for index, member in enumerate(types.members(type_)):
        inner = _resolved(types, member.type_id)
        if member.name == name:
            return type_.at + 12 * index + 8, inner
        if not member.name and (found := _member(types, inner, name)):
            return found
    return None


def _resolved(types: Btf, id_: int) -> Type:
    """Return the type that is behind qualifiers and arrays."""
    found = types.resolved(id_)
    while found.kind is Kind.ARRAY:
        found = types.resolved(types.array(found)[0])
    return found
