"""What an object needs of a kernel: program types, helpers, map types."""

import functools
import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.bpf.contents import (
    INSTRUCTION,
    SHARED_CODE,
    BpfObject,
    DamagedError,
    Function,
    Type,
    string,
)
from runner.bpf.insn import CALL, CALL_HELPER, JMP, decode
from runner.results import MapUse, ObjectUse, ProgramUse

# The kernel's interface: names of helpers and map types, in the order of their numbers.
_UAPI = Path("/usr/include/linux/bpf.h")


_MAPS = ".maps"
_DATASEC = 15


def inspect(data: bytes, path: str) -> ObjectUse:
    """Return what an object's own words say; a damaged one says nothing."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        found = BpfObject.read(data)
        return ObjectUse(
            path=path,
            sha256=sha256,
            programs=tuple(_programs(found)),
            maps=tuple(_maps(found)),
        )
    # The run itself says what is wrong with it.
    except (DamagedError, IndexError, ValueError, struct.error):
        return ObjectUse(path=path, sha256=sha256)


def _programs(found: BpfObject) -> Iterator[ProgramUse]:
    shared = {
        helper
        for function in found.functions
        if function.section == SHARED_CODE
        for helper in _helpers(function)
    }
    for function in found.functions:
        if function.section != SHARED_CODE:
            yield ProgramUse(
                name=function.name,
                section=function.section,
                helpers=tuple(sorted(shared.union(_helpers(function)))),
            )


def _helpers(function: Function) -> Iterator[str]:
    whole = len(function.code) // INSTRUCTION * INSTRUCTION
    for insn in decode(function.code[:whole]):
        if insn.code == JMP | CALL and insn.src == CALL_HELPER:
            yield _named(_interface().helpers, insn.imm, "helper")


def _maps(found: BpfObject) -> Iterator[MapUse]:
    for section in found.types:
        if section.kind == _DATASEC and section.name == _MAPS:
            for variable, _, _ in section.members():
                map_ = found.types[variable]
                number = _map_type(found.types[map_.reference], found)
                shown = _named(_interface().map_types, number, "type")
                yield MapUse(name=map_.name, type=shown)


def _map_type(definition: Type, found: BpfObject) -> int:
    """Return the number that `__uint(type, …)` keeps as the length of an array."""
    for name, reference, _ in definition.members():
        if string(found.text, name) == "type":
            array = found.types[found.types[reference].reference]
            return int(struct.unpack_from("<III", array.rest)[2])
    return 0


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
