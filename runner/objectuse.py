"""What an object needs of a kernel: program types, helpers, map types."""

import functools
import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from elftools.elf.elffile import ELFFile

from runner.results import MapUse, ObjectUse, ProgramUse

# The kernel's interface: names of helpers and map types, in the order of their numbers.
_UAPI = Path("/usr/include/linux/bpf.h")

_INSTRUCTION = struct.Struct("<BBhi")
# BPF_JMP | BPF_CALL; a source register of 0 says that it calls a helper.
_CALL = 0x85
_EXECUTABLE = 0x4

# Functions that programs call; they are none themselves.
_SHARED_CODE = ".text"
_MAPS = ".maps"

# Kinds of BTF: Documentation/bpf/btf.rst of the kernel.
_DATASEC = 15
# Bytes after a type's three words: those of all, then those of each member.
_ALWAYS = {1: 4, 3: 12, 14: 4, 17: 4}
_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}


def inspect(data: bytes, path: str) -> ObjectUse:
    """Return what an object's own words say; a damaged one says less. Never raises."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        elf = ELFFile(BytesIO(data))
        return ObjectUse(
            path=path,
            sha256=sha256,
            programs=tuple(_programs(elf)),
            maps=tuple(_maps(elf)),
        )
    # pyelftools lets through what its own parts raise for damaged files: OverflowError,
    # AttributeError and more; the run itself says what is wrong with the object.
    except Exception:
        return ObjectUse(path=path, sha256=sha256)


# ------------------------------------------------------------------ programs


def _programs(elf: ELFFile) -> Iterator[ProgramUse]:
    symbols = elf.get_section_by_name(".symtab")
    shared: set[str] = set()
    found: list[tuple[str, str, set[str]]] = []
    for symbol in symbols.iter_symbols():
        if symbol["st_info"]["type"] != "STT_FUNC" or symbol["st_shndx"] == "SHN_UNDEF":
            continue
        section = elf.get_section(symbol["st_shndx"])
        if not section["sh_flags"] & _EXECUTABLE:
            continue
        start = symbol["st_value"]
        helpers = set(_helpers(section.data()[start : start + symbol["st_size"]]))
        if section.name == _SHARED_CODE:
            shared |= helpers
        else:
            found.append((symbol.name, section.name, helpers))
    for name, section_name, helpers in found:
        yield ProgramUse(
            name=name, section=section_name, helpers=tuple(sorted(helpers | shared))
        )


def _helpers(code: bytes) -> Iterator[str]:
    whole = len(code) // _INSTRUCTION.size * _INSTRUCTION.size
    for operation, registers, _, value in _INSTRUCTION.iter_unpack(code[:whole]):
        if operation == _CALL and registers >> 4 == 0:
            yield _named(_interface().helpers, value, "helper")


# ---------------------------------------------------------------------- maps


@dataclass(frozen=True, kw_only=True)
class _Type:
    name: str
    kind: int
    # The size, or the type that it refers to.
    reference: int
    rest: bytes

    def members(self) -> Iterator[tuple[int, int, int]]:
        return struct.iter_unpack("<III", self.rest)


def _maps(elf: ELFFile) -> Iterator[MapUse]:
    section = elf.get_section_by_name(".BTF")
    if section is None:
        return
    text, types = _btf(section.data())
    for it in types:
        if it.kind == _DATASEC and it.name == _MAPS:
            for variable, _, _ in it.members():
                map_ = types[variable]
                number = _map_type(types[map_.reference], text, types)
                shown = _named(_interface().map_types, number, "type")
                yield MapUse(name=map_.name, type=shown)


def _map_type(definition: _Type, text: bytes, types: list[_Type]) -> int:
    """Return the number that `__uint(type, …)` keeps as the length of an array."""
    for name, reference, _ in definition.members():
        if _string(text, name) == "type":
            array = types[types[reference].reference]
            return int(struct.unpack_from("<III", array.rest)[2])
    return 0


def _btf(data: bytes) -> tuple[bytes, list[_Type]]:
    """Return the strings, and the types by their numbers."""
    _, _, _, header, type_at, type_size, text_at, text_size = struct.unpack_from(
        "<HBBIIIII", data
    )
    text = data[header + text_at :][:text_size]
    body = data[header + type_at :][:type_size]
    # Number 0 is void.
    types = [_Type(name="", kind=0, reference=0, rest=b"")]
    position = 0
    while position < len(body):
        name, info, reference = struct.unpack_from("<III", body, position)
        kind, count = info >> 24 & 0x1F, info & 0xFFFF
        size = _ALWAYS.get(kind, 0) + _EACH.get(kind, 0) * count
        position += 12
        types.append(
            _Type(
                name=_string(text, name),
                kind=kind,
                reference=reference,
                rest=body[position : position + size],
            )
        )
        position += size
    return text, types


def _string(text: bytes, offset: int) -> str:
    return text[offset : text.index(0, offset)].decode("utf-8", "replace")


# ---------------------------------------------------------------- the kernel's names


@dataclass(frozen=True, kw_only=True)
class _Interface:
    helpers: tuple[str, ...]
    map_types: tuple[str, ...]


@functools.cache
def _interface() -> _Interface:
    """Return the names of the header that this machine has; none without one."""
    try:
        text = _UAPI.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    # FN(map_lookup_elem), from 6.1 on FN(map_lookup_elem, 1, ##ctx).
    helpers = re.findall(r"^\s*FN\((\w+)[,)]", text, re.MULTILINE)
    enum = re.search(r"enum bpf_map_type \{(.*?)\}", text, re.DOTALL)
    words = re.findall(r"^\s*BPF_MAP_TYPE_(\w+)\s*,", enum[1] if enum else "", re.M)
    return _Interface(
        helpers=tuple(helpers), map_types=tuple(word.lower() for word in words)
    )


def _named(names: tuple[str, ...], number: int, what: str) -> str:
    return names[number] if 0 <= number < len(names) else f"{what} {number}"
