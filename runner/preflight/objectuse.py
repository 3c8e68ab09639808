"""What an object needs of a kernel: program types, helpers, map types."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from runner.bpf import mapdefinitions
from runner.bpf import object as bpf_object
from runner.bpf.btf import BtfError
from runner.bpf.debuginfo import TEXT, Function
from runner.bpf.insn import CALL, CALL_HELPER, JMP
from runner.bpf.object import BpfObject, ObjectError
from runner.errors import RunnerError
from runner.preflight.engine import Engine, LibbpfNames
from runner.results import MapUse, ObjectUse, ProgramUse


def inspect(data: bytes, path: str, engine: Path) -> ObjectUse:
    """Return what an object's own words say; a damaged one says nothing.

    `engine` is asked what libbpf calls helpers and types.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        found = bpf_object.read(data)
        return ObjectUse(
            path=path,
            sha256=sha256,
            programs=tuple(_programs(found, _names(engine).helpers)),
            maps=tuple(_maps(found, _names(engine).maps)),
        )
    # The run itself says what is wrong with it.
    except (ObjectError, BtfError):
        return ObjectUse(path=path, sha256=sha256)


def _programs(found: BpfObject, names: tuple[str, ...]) -> Iterator[ProgramUse]:
    shared = {
        helper
        for function in found.functions
        if function.section == TEXT
        for helper in _helpers(function, found, names)
    }
    for function in found.functions:
        if function.is_program:
            yield ProgramUse(
                name=function.name,
                section=function.section,
                helpers=tuple(sorted(shared.union(_helpers(function, found, names)))),
            )


def _helpers(
    function: Function, found: BpfObject, names: tuple[str, ...]
) -> Iterator[str]:
    for insn in found.insns(function):
        if insn.code == JMP | CALL and insn.src == CALL_HELPER:
            yield _name_of(names, insn.imm, "helper")


def _maps(found: BpfObject, names: tuple[str, ...]) -> Iterator[MapUse]:
    for name, it in mapdefinitions.of_object(found.btf).items():
        yield MapUse(name=name, type=_name_of(names, it.type or 0, "type"))


@cache
def _names(engine: Path) -> LibbpfNames:
    """Return what libbpf calls helpers and types; none without the engine."""
    try:
        with Engine(engine) as asked:
            return asked.names
    except RunnerError:
        return LibbpfNames(helpers=(), programs=(), maps=(), attach=())


def _name_of(names: tuple[str, ...], number: int, what: str) -> str:
    known = names[number] if 0 <= number < len(names) else ""
    return known or f"{what} {number}"
