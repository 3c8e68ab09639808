"""Which line of source a refusal is about, and what the kernel has instead."""

import logging
import re
from dataclasses import dataclass

from runner.bpf import names
from runner.bpf import object as bpf_object
from runner.bpf.debuginfo import DebugInfo, Function, RelocationRecord
from runner.bpf.kinds import RelocationKind
from runner.bpf.names import Access
from runner.errors import RunnerError
from runner.facts.abilities import Known
from runner.failures.classes import (
    ATTACH_TARGET_MISSING,
    GUARD_UNDECIDED,
    POISON_REACHABLE,
    SIGNED_FIELD_RESIZED,
    UNCLASSIFIED,
)
from runner.failures.classify import Classification, failed_program, verifier_log
from runner.failures.origin import origin
from runner.preflight import model
from runner.preflight.model import Prediction

log_ = logging.getLogger(__name__)

_IN_WORDS = re.compile(r"prog '([^'\n]*)': ")
_INSTRUCTION = re.compile(r"\binsn #(\d+) \(")
_RELOCATION = re.compile(r"\brelo #(\d+): ")
_NAMED_IN_VERDICT = re.compile(
    r"(?:unreachable insn|back-edge from insn|loop detected at insn|\(insn) (\d+)"
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
    # What preflight says of the object on this kernel; None where it says nothing.
    prediction: Prediction | None
    known: Known


@dataclass(frozen=True, kw_only=True)
class _BlamedPlace:
    program: Function
    # Of the instruction, from the program's beginning.
    index: int
    # Whether the refusal is about the program, and not about that instruction.
    whole: bool = False


def blame(evidence: Evidence) -> Blame:
    """Return where and what the mistake is, as far as the evidence says."""
    if evidence.found.name == UNCLASSIFIED:
        return Blame()
    place = _place(evidence)
    source = _source(evidence, place)
    try:
        cure = _cure(evidence, place)
    # Damaged BTF is no reason to say less of what else is known.
    except RunnerError as error:
        log_.debug("no cure by names: %s", error)
        cure = ""
    if evidence.found.name == ATTACH_TARGET_MISSING.name:
        cure = _of_missing_target(evidence)
    made = origin(evidence.found.line, verifier_log(evidence.log))
    if made is not None:
        cure = f"{cure or evidence.found.cure}. {str(made)[0].upper()}{str(made)[1:]}"
    return Blame(source=source, cure=cure)


def _place(evidence: Evidence) -> _BlamedPlace | None:
    line, log, info = evidence.found.line, evidence.log, evidence.info
    verifier = verifier_log(log)
    named = _IN_WORDS.search(line)
    name = named[1] if named else failed_program(log) if verifier else ""
    program = info.programs.get(name)
    if program is None:
        return None
    instruction, relocation = _INSTRUCTION.search(line), _RELOCATION.search(line)
    if instruction:
        return _BlamedPlace(program=program, index=int(instruction[1]))
    if relocation:
        return _of_relocation(program, int(relocation[1]), info)
    if named or _ON_THE_WHOLE.search(line):
        return _BlamedPlace(program=program, index=0, whole=True)
    index = _index(line, verifier)
    return None if index is None else _BlamedPlace(program=program, index=index)


def _of_relocation(
    program: Function, number: int, info: DebugInfo
) -> _BlamedPlace | None:
    # libbpf counts a section's relocations.
    relocations = info.relocations.get(program.section, ())
    if number >= len(relocations):
        return None
    return _BlamedPlace(program=program, index=relocations[number].at - program.start)


def _index(line: str, verifier: str) -> int | None:
    named = _NAMED_IN_VERDICT.search(line)
    if named:
        return int(named[1])
    walked = _WALKED.findall(_until(line, verifier))
    return int(walked[-1]) if walked else None


def _until(line: str, verifier: str) -> str:
    """Return the verifier's log up to its verdict, with that."""
    end = verifier.rfind(line)
    return verifier if end < 0 else verifier[: end + len(line)]


def _source(evidence: Evidence, place: _BlamedPlace | None) -> str:
    if place is not None:
        program, info = place.program.name, evidence.info
        if place.whole:
            line = info.line_defining(program)
        else:
            item = bpf_object.read(evidence.data)
            field = _field(evidence, place)
            line = item.line_needing(place.program, place.index, field)
        if line is not None:
            return str(line)
    said = _SOURCE_LINE.findall(_until(evidence.found.line, verifier_log(evidence.log)))
    return str(said[-1]).removeprefix("./") if said else ""


def _field(evidence: Evidence, place: _BlamedPlace) -> str:
    """Return the member that an instruction's relocation is about, if it has one."""
    relocation = evidence.info.relocation_of(place.program.name, place.index)
    if relocation is None:
        return ""
    try:
        path = _access(evidence.data, relocation).path
    except RunnerError:
        return ""
    return path.rpartition(".")[2].partition("[")[0]


# -------------------------------------------------------------------- cures


def _cure(evidence: Evidence, place: _BlamedPlace | None) -> str:
    if place is None or place.whole:
        return ""
    relocation = evidence.info.relocation_of(place.program.name, place.index)
    if relocation is None:
        return ""
    access, found = _access(evidence.data, relocation), evidence.found
    match found.name:
        case POISON_REACHABLE.name:
            return _of_missing(access, place, relocation, evidence)
        # A guard that is not seen through needs no other name, but another guard.
        case GUARD_UNDECIDED.name:
            return f"the kernel has no {access}; {found.cure}"
        case SIGNED_FIELD_RESIZED.name:
            return f"{access} has another size on this kernel; {found.cure}"
        case _:
            return f"{access}: {found.cure}"


def _access(data: bytes, relocation: RelocationRecord) -> Access:
    return names.access(
        bpf_object.read(data).btf,
        relocation.type_id,
        relocation.access,
        enumerator=_is_of_enumerator(relocation),
    )


def _is_of_enumerator(relocation: RelocationRecord) -> bool:
    return RelocationKind(relocation.kind).is_of_enumerator


def _of_missing(
    access: Access,
    place: _BlamedPlace,
    relocation: RelocationRecord,
    evidence: Evidence,
) -> str:
    predicted = _prediction_of(place, evidence.prediction)
    if predicted is None or not predicted.candidates:
        lack = predicted.instead if predicted else f"the kernel has no {access}"
        return f"{lack}; {evidence.found.cure}"
    flavor = (
        "Read it with a struct flavor that declares this type"
        if predicted.has_another_type
        else "If one of these is its new name or place, read it with a struct flavor"
    )
    guard = (
        "bpf_core_enum_value_exists"
        if _is_of_enumerator(relocation)
        else "bpf_core_field_exists"
    )
    # Verifiers without it decide few guards: see docs/compat.md.
    old = not evidence.known.has("dead_poison")
    return (
        f"{predicted.instead}. {flavor}, guarded by {guard}(): "
        "`if (exists) new; else old;`"
        + (". Before 4.15 use `loader: compat` too (docs/compat.md)" if old else "")
    )


def _of_missing_target(evidence: Evidence) -> str:
    """Return what the kernel has that is called alike, with what to do; or nothing."""
    named = _IN_WORDS.search(evidence.found.line)
    program = named[1] if named else failed_program(evidence.log)
    lacking = [
        it
        for it in (evidence.prediction.features if evidence.prediction else ())
        if it.need is model.KernelNeed.ATTACH_TARGET and it.near and program in it.users
    ]
    if not lacking:
        return ""
    cure, near = evidence.found.cure, ", ".join(lacking[0].near)
    return f"{cure}. Instead of {lacking[0].name} this kernel has: {near}"


def _prediction_of(
    place: _BlamedPlace, prediction: Prediction | None
) -> model.Relocation | None:
    """Return what preflight says of the relocation of an instruction."""
    wanted = place.program.name, place.index
    return next(
        (
            it
            for it in (prediction.relocations if prediction else ())
            if (it.place.program, it.place.instruction) == wanted
        ),
        None,
    )
