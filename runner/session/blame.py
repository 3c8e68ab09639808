"""Which line of source a refusal is about, and what the kernel has instead."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.bpf import names
from runner.bpf import object as bpf_object
from runner.bpf.debuginfo import DebugInfo, Function, Line, Relocation
from runner.bpf.names import Access, Names
from runner.classes import (
    GUARD_UNDECIDED,
    POISON_REACHABLE,
    SIGNED_FIELD_RESIZED,
    UNCLASSIFIED,
)
from runner.classify import Classification, failed_program, verifier_log
from runner.errors import RunnerError

log_ = logging.getLogger(__name__)

# Lines that an offset may be ahead of the one that needs it.
_AHEAD = 5

# enum bpf_core_relo_kind: BPF_CORE_ENUMVAL_EXISTS and _VALUE.
_ENUMERATORS = (10, 11)

_IN_WORDS = re.compile(r"prog '([^'\n]*)': ")
_INSTRUCTION = re.compile(r"\binsn #(\d+) \(")
_RELOCATION = re.compile(r"\brelo #(\d+): ")
_NAMED_IN_VERDICT = re.compile(
    r"(?:unreachable insn|back-edge from insn|loop detected at insn) (\d+)"
)
# Verdicts on a program as a whole, and not on the instruction that was walked last.
_ON_THE_WHOLE = re.compile(r"combined stack size|too large|too complex")
_WALKED = re.compile(r"^(\d+): [(<]", re.MULTILINE)
# Kernels from 6.8 on say where they are.
_SOURCE_LINE = re.compile(r"^; .* @ (\S+:\d+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Blame:
    """What more than a class is known of a refusal."""

    # "task.bpf.c:41", or empty.
    source: str = ""
    # What to do here, or empty when the class's own words have to do.
    cure: str = ""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a refusal left, and what it was about."""

    found: Classification
    # libbpf's and the verifier's.
    log: str
    # The object, and what is known of it.
    data: bytes
    info: DebugInfo
    # The raw BTF that it was relocated against, if there is any; read when needed.
    kernel_btf: Path | None
    # What reports call the kernel.
    kernel: str


@dataclass(frozen=True, kw_only=True)
class _Place:
    program: Function
    # Of the instruction, from the program's beginning.
    index: int
    # Whether the refusal is about the program, and not about that instruction.
    whole: bool = False


def blame(evidence: Evidence) -> Blame:
    """Return where and what the mistake is, as far as the evidence tells."""
    if evidence.found.name == UNCLASSIFIED:
        return Blame()
    place = _place(evidence)
    source = _source(evidence, place)
    try:
        return Blame(source=source, cure=_cure(evidence, place, source))
    # Damaged BTF is no reason to say less of what else is known.
    except RunnerError as error:
        log_.debug("no cure by names: %s", error)
        return Blame(source=source)


def _place(evidence: Evidence) -> _Place | None:
    line, log, info = evidence.found.line, evidence.log, evidence.info
    verifier = verifier_log(log)
    named = _IN_WORDS.search(line)
    name = named[1] if named else failed_program(log) if verifier else ""
    program = info.programs.get(name)
    if program is None:
        return None
    instruction, relocation = _INSTRUCTION.search(line), _RELOCATION.search(line)
    if instruction:
        return _Place(program=program, index=int(instruction[1]))
    if relocation:
        return _of_relocation(program, int(relocation[1]), info)
    if not named:
        index = _index(line, verifier)
        return None if index is None else _Place(program=program, index=index)
    return _Place(program=program, index=0, whole=True)


def _of_relocation(program: Function, number: int, info: DebugInfo) -> _Place | None:
    # libbpf counts a section's relocations.
    relocations = info.relocations.get(program.section, ())
    if number >= len(relocations):
        return None
    return _Place(program=program, index=relocations[number].at - program.start)


def _index(line: str, verifier: str) -> int | None:
    if _ON_THE_WHOLE.search(line):
        return 0
    named = _NAMED_IN_VERDICT.search(line)
    if named:
        return int(named[1])
    walked = _WALKED.findall(_until(line, verifier))
    return int(walked[-1]) if walked else None


def _until(line: str, verifier: str) -> str:
    """Return the verifier's log up to its verdict, with that."""
    end = verifier.rfind(line)
    return verifier if end < 0 else verifier[: end + len(line)]


def _source(evidence: Evidence, place: _Place | None) -> str:
    if place is not None:
        lines = evidence.info.lines_from(place.program.name, place.index)
        if lines:
            return str(_naming(_field(evidence, place), lines))
    said = _SOURCE_LINE.findall(_until(evidence.found.line, verifier_log(evidence.log)))
    return str(said[-1]).removeprefix("./") if said else ""


def _field(evidence: Evidence, place: _Place) -> str:
    """Return the member that an instruction's relocation is about, if it has one."""
    relocation = evidence.info.relocation_of(place.program.name, place.index)
    if relocation is None:
        return ""
    try:
        path = _access(evidence.data, relocation).path
    except RunnerError:
        return ""
    return path.rpartition(".")[2].partition("[")[0]


def _naming(field: str, lines: Sequence[Line]) -> Line:
    """Return the line that reads a field; the first one when none says that it does.

    The offset is put into a register ahead of the line that needs it, and compilers
    count that to whatever line is before.
    """
    if field:
        word = re.compile(rf"\b{re.escape(field)}\b")
        for line in lines[:_AHEAD]:
            if word.search(line.text):
                return line
    return lines[0]


# -------------------------------------------------------------------- cures


def _cure(evidence: Evidence, place: _Place | None, source: str) -> str:
    if place is None or place.whole:
        return ""
    relocation = evidence.info.relocation_of(place.program.name, place.index)
    if relocation is None:
        return ""
    access = _access(evidence.data, relocation)
    where = f"{source}: " if source else ""
    match evidence.found.name:
        case POISON_REACHABLE.name | GUARD_UNDECIDED.name:
            cure = _of_missing(access, relocation, evidence)
        case SIGNED_FIELD_RESIZED.name:
            size = f"{access} has another size on {evidence.kernel}"
            cure = f"{size}; {evidence.found.cure}"
        case _:
            cure = f"{access}: {evidence.found.cure}"
    return f"{where}{cure}"


def _access(data: bytes, relocation: Relocation) -> Access:
    return _names_of_object(data).access(
        relocation.type_id,
        relocation.access,
        enumerator=relocation.kind in _ENUMERATORS,
    )


def _names_of_object(data: bytes) -> Names:
    return Names(bpf_object.read(data).btf_data)


def _of_missing(access: Access, relocation: Relocation, evidence: Evidence) -> str:
    missing, near = _near(access, evidence)
    lacks = f"{evidence.kernel} has no {missing}"
    # A guard that is not seen through needs no other name, but another guard.
    if not near or evidence.found.name == GUARD_UNDECIDED.name:
        return f"{lacks}; {evidence.found.cure}"
    guard = (
        "bpf_core_enum_value_exists"
        if relocation.kind in _ENUMERATORS
        else "bpf_core_field_exists"
    )
    return (
        f"{lacks}; near it are {', '.join(near)}. If one of them is what it is called "
        f"there, add a flavor guarded by {guard}(), as `if (exists) new; else old;`. "
        "Before 4.15 use `loader: compat` too (docs/compat.md)"
    )


def _near(access: Access, evidence: Evidence) -> tuple[str, list[str]]:
    """Return what is missing of an access, and what the kernel has that is near."""
    if evidence.kernel_btf is None:
        return str(access), []
    kernel = names.of_file(evidence.kernel_btf)
    if not kernel.has(access.type_name):
        return access.type_name, kernel.near_types(access.type_name)
    owner = access.type_name.rpartition(" ")[2]
    paths = kernel.near_members(access.type_name, access.path)
    return str(access), [f"{owner}.{path}" for path in paths]
