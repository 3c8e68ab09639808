"""Kernels' BTF in which one field is where it is not, for objects that read it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from elftools.elf.elffile import ELFFile

from runner.bpf import btf as btf_format
from runner.bpf import object as debuginfo
from runner.bpf.btf import Btf
from runner.bpf.names import Access, Names

# Bits.
SHIFT = 64

_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")
_ARRAY, _STRUCT, _UNION = 3, 4, 5
_MODIFIERS = (8, 9, 10, 11, 18)  # TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG
# enum bpf_core_relo_kind: an offset in bytes.
_BYTE_OFFSET = 0


@dataclass(frozen=True)
class Shifted:
    """BTF with one field shifted by 8 bytes."""

    # Such as "task_struct.thread.fsbase".
    field: str
    data: bytes


def relocated(object_: Path) -> list[Access]:
    """Return the fields of which an object wants the offset."""
    data = object_.read_bytes()
    section = ELFFile(BytesIO(data)).get_section_by_name(".BTF")
    assert section is not None
    names = Names(section.data())
    found = {
        str(access): access
        for relocations in debuginfo.read(data).relocations.values()
        for relocation in relocations
        if relocation.kind == _BYTE_OFFSET
        for access in [names.access(relocation.type_id, relocation.access)]
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
    word, _, name = field.type_name.rpartition(" ")
    kind = _UNION if word == "union" else _STRUCT
    for number, start in enumerate(types.offsets, 1):
        at, info, _ = _TYPE.unpack_from(types.data, start)
        if info >> 24 & 0x1F == kind and types.text(at) == name:
            yield _place(types, number, field.path)


def _place(types: Btf, number: int, path: str) -> int | None:
    place = None
    for word in path.split("."):
        found = _member(types, number, word.partition("[")[0])
        if found is None:
            return None
        place, number = found
    return place


def _member(types: Btf, number: int, name: str) -> tuple[int, int] | None:
    """Return where a member's offset stands, and its type; of nameless ones as well."""
    start = _resolved(types, number)
    _, info, _ = _TYPE.unpack_from(types.data, start)
    if info >> 24 & 0x1F not in (_STRUCT, _UNION):
        return None
    for index in range(info & 0xFFFF):
        at = start + _TYPE.size + index * _MEMBER.size
        text, inner, _ = _MEMBER.unpack_from(types.data, at)
        if types.text(text) == name:
            return at + 8, inner
        if not text and (found := _member(types, inner, name)):
            return found
    return None


def _resolved(types: Btf, number: int) -> int:
    """Return where the type begins that is behind qualifiers and arrays."""
    while True:
        start = types.offsets[number - 1]
        _, info, inner = _TYPE.unpack_from(types.data, start)
        kind = info >> 24 & 0x1F
        if kind == _ARRAY:
            (inner,) = struct.unpack_from("<I", types.data, start + _TYPE.size)
        elif kind not in _MODIFIERS or not inner:
            return start
        number = inner
