"""Raw BTF: read far enough to tell whether it is whole, and a kernel's.

Layout: Documentation/bpf/btf.rst in the kernel. libbpf does the real reading; this
reads what has to be known of a file before a guest gets it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from runner.errors import ArtifactError

_MAGIC = b"\x9f\xeb"
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")

_STRUCT, _UNION = 4, 5
# What follows a type, by its kind: bytes in any case, bytes for each of its members.
_TAILS = {
    1: (4, 0),  # INT
    2: (0, 0),  # PTR
    3: (12, 0),  # ARRAY
    _STRUCT: (0, 12),
    _UNION: (0, 12),
    6: (0, 8),  # ENUM
    7: (0, 0),  # FWD
    8: (0, 0),  # TYPEDEF
    9: (0, 0),  # VOLATILE
    10: (0, 0),  # CONST
    11: (0, 0),  # RESTRICT
    12: (0, 0),  # FUNC
    13: (0, 8),  # FUNC_PROTO
    14: (4, 0),  # VAR
    15: (0, 12),  # DATASEC
    16: (0, 0),  # FLOAT
    17: (4, 0),  # DECL_TAG
    18: (0, 0),  # TYPE_TAG
    19: (0, 12),  # ENUM64, from 6.0 on
}
# A struct within structs without a name, deeper than any kernel's.
_DEEPEST = 16


@dataclass(frozen=True, kw_only=True)
class Btf:
    """Types of a whole BTF file."""

    data: bytes
    # Where each type begins in `data`; the type with the ID 1 comes first.
    offsets: tuple[int, ...]
    # Where the strings begin.
    strings: int
    strings_size: int
    # Names of structs, and where they begin; of several the first.
    structs: dict[str, int]

    def members(self, name: str) -> set[str]:
        """Return the names of a struct's members, with those of nameless members.

        Empty for a struct that is not there. Raises ArtifactError for a damaged one.
        """
        start = self.structs.get(name)
        return set() if start is None else set(self._members(start, 0))

    def _members(self, start: int, depth: int) -> Iterator[str]:
        _, info, _ = _TYPE.unpack_from(self.data, start)
        for number in range(info & 0xFFFF):
            name, type_, _ = _MEMBER.unpack_from(
                self.data, start + _TYPE.size + number * _MEMBER.size
            )
            if name:
                yield self.text(name)
            elif depth < _DEEPEST:
                inner = self._offset(type_)
                if self._kind(inner) in (_STRUCT, _UNION):
                    yield from self._members(inner, depth + 1)

    def text(self, offset: int) -> str:
        """Return a string. Raises ArtifactError for an offset beyond them."""
        if offset >= self.strings_size:
            raise ArtifactError(f"it names a string at {offset}, beyond its strings")
        start = self.strings + offset
        end = self.data.index(b"\0", start)
        return self.data[start:end].decode("utf-8", "replace")

    def _offset(self, type_: int) -> int:
        if not 1 <= type_ <= len(self.offsets):
            raise ArtifactError(f"it names type {type_} of {len(self.offsets)}")
        return self.offsets[type_ - 1]

    def _kind(self, start: int) -> int:
        info: int = _TYPE.unpack_from(self.data, start)[1]
        return (info >> 24) & 0x1F


def parse(data: bytes) -> Btf:
    """Read a file of raw BTF. Raises ArtifactError that tells what is wrong with it."""
    strings, strings_size, types, types_end = _sections(data)
    found = Btf(
        data=data,
        offsets=tuple(_walk(data, types, types_end)),
        strings=strings,
        strings_size=strings_size,
        structs={},
    )
    for start in found.offsets:
        name, info, _ = _TYPE.unpack_from(data, start)
        if name >= strings_size:
            raise ArtifactError(f"it names a string at {name}, beyond its strings")
        if (info >> 24) & 0x1F == _STRUCT and name:
            found.structs.setdefault(found.text(name), start)
    return found


def _sections(data: bytes) -> tuple[int, int, int, int]:
    """Return where strings and types are: start and size, start and end."""
    if data[:2] == _MAGIC[::-1]:
        raise ArtifactError("it is for a machine of the other byte order")
    if data[:2] != _MAGIC:
        raise ArtifactError("it does not begin as BTF does (9f eb)")
    if len(data) < _HEADER.size:
        raise ArtifactError("it is truncated: its header is not whole")
    _, version, _, header, types, types_size, strings, strings_size = (
        _HEADER.unpack_from(data)
    )
    if version != 1:
        raise ArtifactError(f"it is of version {version}, and only 1 is known")
    end = max(header + types + types_size, header + strings + strings_size)
    if end > len(data) or header < _HEADER.size:
        raise ArtifactError(f"it is truncated: {len(data)} of {end} bytes are there")
    if strings_size == 0 or data[header + strings + strings_size - 1] != 0:
        raise ArtifactError("its strings do not end")
    return (
        header + strings,
        strings_size,
        header + types,
        header + types + types_size,
    )


def _walk(data: bytes, start: int, end: int) -> Iterator[int]:
    while start < end:
        if start + _TYPE.size > end:
            raise ArtifactError("its last type is not whole")
        yield start
        _, info, _ = _TYPE.unpack_from(data, start)
        kind, count = (info >> 24) & 0x1F, info & 0xFFFF
        if kind not in _TAILS:
            raise ArtifactError(f"it holds a type of the unknown kind {kind}")
        fixed, each = _TAILS[kind]
        start += _TYPE.size + fixed + each * count
    if start != end:
        raise ArtifactError("its last type is not whole")
