"""Predict what becomes of an object on a kernel, without booting it."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from runner.bpf.insn import LD_IMM64, Insn
from runner.bpf.kinds import RelocationKind
from runner.bpf.object import ENDIANS, BpfObject, LocalRelocation
from runner.facts.abilities import NOTHING, Known
from runner.preflight import (
    architecture,
    bareoffsets,
    enumerators,
    eventrecords,
    extensions,
    externs,
    features,
    modulebtf,
    securityhooks,
    structops,
    unfollowed,
)
from runner.preflight.arguments import Arguments
from runner.preflight.callgraph import CallGraph
from runner.preflight.candidates import Blamer
from runner.preflight.dataflow import Dataflow, Interest, followed
from runner.preflight.engine import (
    Contents,
    Engine,
    FieldAnswer,
    LocalAnswer,
    RelocationAnswer,
)
from runner.preflight.externs import Externs
from runner.preflight.flowblocks import CALL
from runner.preflight.kptrs import Kptrs
from runner.preflight.model import (
    Difference,
    Effect,
    Feature,
    FieldLayout,
    Finding,
    Guard,
    InstructionPlace,
    KernelNeed,
    Prediction,
    Relocation,
    Status,
    Verdict,
)
from runner.preflight.payload import Payload
from runner.preflight.places import made_of
from runner.preflight.reach import walked
from runner.preflight.references import CONFIG, Address, Flow
from runner.preflight.returned import CONTEXT_CAST, GIVEN, STRUCTS
from runner.preflight.rules import Code
from runner.preflight.signatures import ComparedArguments, compared
from runner.preflight.verifier import Verifier, verifier_of

# What loads objects; see docs/compat.md.
Loader = Literal["libbpf", "compat"]

# "<byte_off> [25] struct task_struct.pid (0:0 @ offset 0)": kind and id tell no more.
_SPEC = re.compile(r"^<\w+> (?:\[\d+\] )?")
_AMBIGUOUS = re.compile(r"ambigu", re.IGNORECASE)
# "libbpf: prog 'object': relo #0: "
_PREFIX = re.compile(r"^(libbpf: )?(prog '[^']*': )?(relo #\d+: )?")


# Different walks through an object.
_REMEMBERED = 16
_NO_ADDRESSES: Mapping[str, bool] = {}


@dataclass(frozen=True, kw_only=True)
class Target:
    """A kernel, as preflight knows it."""

    # Raw.
    btf: Payload
    # Of the file that it came from.
    sha256: str
    # Where nothing is known the newest verifier judges.
    known: Known = NOTHING
    # Raw BTFs of modules on top, with their hashes.
    modules: tuple[Payload, ...] = ()
    module_sha256: tuple[str, ...] = ()
    # What they are called.
    module_names: tuple[str, ...] = ()


class PredictedObject:
    """An object that an engine has read; one serves for any number of kernels."""

    def __init__(
        self,
        item: BpfObject,
        engine: Engine,
        load: Mapping[str, bool] | None = None,
        targets: Mapping[str, str] | None = None,
        not_created: frozenset[str] = frozenset(),
        extended: BpfObject | None = None,
    ) -> None:
        """Read it.

        `load` says of programs whether they are loaded, `targets` what they attach to
        in place of what their sections name. `not_created` are maps, and `extended` is
        the object whose functions programs replace.

        Raises ObjectError, EngineError.
        """
        self.item = item
        self.contents: Contents = _with_targets(engine.contents(item), targets or {})
        # What the engine calls it.
        self.number: int
        self.locals: list[LocalAnswer]
        self.number, self.locals = engine.load_object(item)
        self._load = load or {}
        self._not_created = not_created
        self._extended = extended
        self._code: dict[object, Code] = {}

    @cached_property
    def loaded(self) -> frozenset[str]:
        """Return the programs that libbpf loads."""
        return frozenset(
            it.name
            for it in self.contents.programs
            if self._load.get(it.name, it.autoload)
        )

    @cached_property
    def skipped(self) -> frozenset[str]:
        """Return the programs that libbpf neither loads nor relocates."""
        return frozenset(it.name for it in self.contents.programs) - self.loaded

    @cached_property
    def flow(self) -> Flow:
        """Return its control flow, from the programs that are loaded."""
        return Flow(self.item, self.loaded)

    @cached_property
    def graph(self) -> CallGraph:
        """Return what its functions call."""
        return CallGraph(self.item, self.flow)

    @cached_property
    def dataflow(self) -> Dataflow:
        """Return what its programs do with values, on any kernel."""
        contexts = {
            *self.arguments.attached,
            *eventrecords.contexts(self.item, self.contents),
        }
        # What a context is cast to may be that of any program.
        casts = any(it.name == CONTEXT_CAST for it in self.externs.all)
        interest = Interest(
            contexts=None if casts else contexts,
            helpers=STRUCTS,
            holders=Kptrs(self.item).holders,
        )
        if not contexts and not self._has_pointers and not interest.holders:
            return Dataflow(uses=())
        return followed(self.item, self.flow, interest=interest)

    @property
    def _has_pointers(self) -> bool:
        """Whether it has pointers whose types are known by more than a context."""
        return (
            any(not it.symbol.section for it in self.item.references)
            or any(it.kind == RelocationKind.BYTE_OFF for it in self.item.relocations)
            or any(
                insn.code == CALL and insn.imm in (*STRUCTS, *GIVEN)
                for code in self.item.code.values()
                for insn in code
            )
        )

    @cached_property
    def arguments(self) -> Arguments:
        """Return what its programs attach to, and how they are given arguments."""
        return Arguments(self.item, self.contents, tuple(self.locals))

    @cached_property
    def externs(self) -> Externs:
        """Return what it takes from the kernel."""
        return Externs(self.item)

    @cached_property
    def of_extended(self) -> tuple[Finding, ...]:
        """Return the programs that can't replace what they are to replace."""
        if self._extended is None:
            return ()
        sections = {it.name: it.section for it in self.contents.programs}
        found = extensions.findings(self.item, sections, self.loaded, self._extended)
        return tuple(found)

    @cached_property
    def compared(self) -> tuple[enumerators.ComparedEnumerator, ...]:
        """Return the lines that compare with an enumerator."""
        return enumerators.compared(self.item)

    def code(
        self,
        changed: Mapping[Address, Insn],
        verifier: Verifier,
        kernel: Known,
        wanted: Callable[[], bool],
        addresses: Mapping[str, bool] = _NO_ADDRESSES,
    ) -> Code:
        """Return its code as a verifier walks it, with what relocation changed.

        `addresses` are the kernel's, of the externs whose addresses it takes. Many
        kernels give an object the same offsets; the last ones are remembered.
        Raises as `walked` does.
        """
        asked = kernel if self.flow.asks_version else None
        there = frozenset(addresses.items())
        key = frozenset(changed.items()), verifier, asked and asked.digest, there
        found = self._code.pop(key, None) or Code(
            item=self.item,
            contents=self.contents,
            flow=self.flow,
            graph=self.graph,
            reached=frozenset(
                walked(self.flow, changed, verifier, asked, wanted, addresses)
            ),
            loaded=self.loaded,
            dataflow=self.dataflow,
            arguments=self.arguments,
            externs=self.externs.all,
            number=self.number,
            changed=changed,
            not_created=self._not_created,
            extended=self._extended,
        )
        self._code[key] = found
        if len(self._code) > _REMEMBERED:
            del self._code[next(iter(self._code))]
        return found


def _with_targets(contents: Contents, targets: Mapping[str, str]) -> Contents:
    programs = tuple(
        it.model_copy(update={"section": targets.get(it.name, it.section)})
        for it in contents.programs
    )
    return contents.model_copy(update={"programs": programs}) if targets else contents


def predict(
    subject: PredictedObject,
    target: Target,
    engine: Engine,
    loader: Loader = "libbpf",
    *,
    like: Prediction | None = None,
    given: Collection[str] | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Prediction:
    """Return what becomes of an object on a kernel.

    The engine must know the object, and have loaded the target. `like` is the same
    object on a kernel nearby, which says where that has what this one lacks. `given`
    is what is set of what the object leaves to its loader ("max_entries of events"); if
    it is not said, the verdict on such an object is unknown. `wanted` is asked now and
    then whether to go on.

    Raises EngineError, and NotFollowedError for a program with too many paths.
    """
    target = _with_architecture(target, engine)
    answers = engine.relocate(subject.number)
    changed = instructions_after(subject, answers)
    verifier = verifier_of(target.known, compat=loader == "compat")
    addresses = externs.addresses(subject.externs.all, subject.number, engine)
    code = subject.code(changed, verifier, target.known, wanted, addresses)
    guards = _guards(subject, changed, code.reached, verifier)
    nearby = (
        {it.access: (it.trail, it.field) for it in like.relocations if it.field}
        if like
        else {}
    )
    blamer = Blamer(engine, nearby)
    relocations = tuple(
        _relocation(subject.item, record, local, answer, guards, blamer)
        for record, local, answer in zip(
            subject.item.relocations, subject.locals, answers, strict=True
        )
    )
    seen, found = _beyond_relocation(subject, code, answers, target, engine)
    needs = features.features(code, target.known, engine, compat=loader == "compat")
    verdict, reasons = _verdict(
        [it for it in relocations if it.place.program not in subject.skipped],
        needs,
        found,
        given=given,
        unjudged=unfollowed.unjudged(code, found),
    )
    given_up = modulebtf.given_up(
        code, subject.locals, subject.skipped, needs, target.module_names, engine
    )
    if given_up:
        verdict, reasons = Verdict.REJECTED, (*given_up, *reasons)
    if subject.item.order != engine.target_order:
        # Then nothing else counts: libbpf does not try.
        verdict = Verdict.REJECTED
        reasons = (of_another_order(subject.item, engine.target_order), *reasons)
    return Prediction(
        object_sha256=subject.item.sha256,
        btf_sha256=(target.sha256, *target.module_sha256),
        pointer_size=engine.target.pointer,
        relocations=relocations,
        features=needs,
        verdict=verdict,
        reasons=reasons,
        by_config=any(
            it.symbol.name.startswith(CONFIG) and not it.symbol.section
            for it in subject.item.references
        ),
        findings=found,
        signatures=seen.signatures,
    )


def _beyond_relocation(
    subject: PredictedObject,
    code: Code,
    answers: Sequence[RelocationAnswer],
    target: Target,
    engine: Engine,
) -> tuple[ComparedArguments, tuple[Finding, ...]]:
    """Return what no relocation shows."""
    seen = compared(code, target.known, engine)
    found = (
        *_of_externs(code, engine),
        *seen.findings,
        *unfollowed.findings(code),
        *enumerators.findings(code.item, subject.compared, code.reached, engine),
        *eventrecords.compared(code, target.known, engine),
        *securityhooks.findings(code, target.known),
        *subject.of_extended,
        *structops.findings(code.item, code.not_created, code.loaded, engine),
        *bareoffsets.compared(code, _by_address(subject.item, answers), engine),
    )
    return seen, found


def _with_architecture(target: Target, engine: Engine) -> Target:
    """Return a target that says its architecture, if only its BTF did."""
    if target.known.architecture:
        return target
    known = replace(target.known, architecture=architecture.of_target(engine))
    return replace(target, known=known)


def of_another_order(item: BpfObject, order: str) -> str:
    """Return why an object can't be loaded by a kernel of the other byte order."""
    return f"the object is {ENDIANS[item.order]}, and the kernel is {ENDIANS[order]}"


def _of_externs(code: Code, engine: Engine) -> Iterator[Finding]:
    return externs.findings(code.item, code.externs, code.reached, code.number, engine)


def unknown(
    subject: PredictedObject, target: Target, engine: Engine, why: str
) -> Prediction:
    """Return the prediction that nobody can tell."""
    return Prediction(
        object_sha256=subject.item.sha256,
        btf_sha256=(target.sha256, *target.module_sha256),
        pointer_size=engine.target.pointer,
        relocations=(),
        features=(),
        verdict=Verdict.UNKNOWN,
        reasons=(why,),
    )


def _by_address(
    item: BpfObject, answers: Sequence[RelocationAnswer]
) -> dict[Address, RelocationAnswer]:
    pairs = zip(item.relocations, answers, strict=True)
    return {record.address: answer for record, answer in pairs}


# -------------------------------------------------------------------- guards


def instructions_after(
    subject: PredictedObject, answers: Sequence[RelocationAnswer]
) -> dict[Address, Insn]:
    """Return the instructions that relocation changes."""
    found: dict[Address, Insn] = {}
    for record, answer in zip(subject.item.relocations, answers, strict=True):
        if answer.error:
            continue
        section, index = record.address
        found[section, index], second = answer.insns
        if subject.item.code[section][index].code == LD_IMM64:
            found[section, index + 1] = second
    return found


def _guards(
    subject: PredictedObject,
    changed: Mapping[Address, Insn],
    reached: Collection[Address],
    verifier: Verifier,
) -> dict[Address, Guard]:
    """Return for poisoned instructions whether the verifier comes there."""
    missed = Guard.DEADLY if Verifier.DEAD_POISON_OOPSES in verifier else Guard.GUARDED
    return {
        it.address: Guard.REACHABLE if it.address in reached else missed
        for it in subject.item.relocations
        if it.address in changed and changed[it.address].is_poison
    }


# --------------------------------------------------------------- relocations


def _relocation(
    item: BpfObject,
    record: LocalRelocation,
    local: LocalAnswer,
    answer: RelocationAnswer,
    guards: dict[Address, Guard],
    blamer: Blamer,
) -> Relocation:
    kind = RelocationKind(record.kind)
    status = _status(answer)
    guard = guards.get(record.address, Guard.NOT_NEEDED)
    access = access_of(local)
    blame = blamer(kind, local, access) if status is Status.MISSING else None
    difference, near = blame or (None, ())
    if status is Status.WRONG_SIZE or (
        status is Status.RESOLVED and _has_another_size(local.field, answer.field)
    ):
        difference = Difference.RESIZED
    return Relocation(
        place=_place(item, record, local),
        kind=kind,
        access=access,
        local=_SPEC.sub("", local.spec),
        target=_SPEC.sub("", answer.spec or ""),
        status=status,
        value=None if answer.error or guard is not Guard.NOT_NEEDED else answer.value,
        instructions=(
            _hexadecimal(answer.words[0]),
            _hexadecimal(answer.words[1]),
        ),
        local_field=_field(local.field),
        field=_field(answer.field),
        trail=answer.trail,
        guard=guard,
        reason=_reason(status, local, answer),
        difference=difference,
        candidates=near,
    )


def _status(answer: RelocationAnswer) -> Status:
    if answer.error:
        ambiguous = _AMBIGUOUS.search(answer.error)
        return Status.AMBIGUOUS if ambiguous else Status.REFUSED
    if answer.patch:
        return Status.REFUSED
    if not answer.found:
        return Status.MISSING
    return Status.WRONG_SIZE if answer.insns[0].is_poison else Status.RESOLVED


def _has_another_size(local: FieldAnswer | None, field: FieldAnswer | None) -> bool:
    if local is None or field is None:
        return False
    # Objects declare structs with only the members that they need.
    if local.kind.name in ("STRUCT", "UNION"):
        return False
    return (local.size, local.bits) != (field.size, field.bits)


def access_of(local: LocalAnswer) -> str:
    """Return what a relocation is about, as people write it."""
    if local.root is None:
        return "?"
    text = local.root.text
    if local.steps:
        text = local.root.name or text
    for step in local.steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text


def _place(
    item: BpfObject, record: LocalRelocation, local: LocalAnswer
) -> InstructionPlace:
    line = item.line_reading(record, _last_name(local))
    function = record.function
    return made_of(function.name, function.section, record.index, line)


def _last_name(local: LocalAnswer) -> str:
    """Return the member or enumerator that a path ends with; empty for a type."""
    names = [step for step in local.steps if isinstance(step, str)]
    return names[-1] if names else ""


def _field(answer: FieldAnswer | None) -> FieldLayout | None:
    if answer is None:
        return None
    return FieldLayout(
        type=answer.text,
        kind=answer.kind.name,
        size=answer.size,
        bits=answer.bits,
        bit_offset=answer.bit_offset,
        signed=answer.signed,
    )


def _hexadecimal(word: int) -> str:
    return f"{word & (1 << 64) - 1:016x}"


def _reason(status: Status, local: LocalAnswer, answer: RelocationAnswer) -> str:
    if status in (Status.AMBIGUOUS, Status.REFUSED):
        said = answer.error or answer.said or f"libbpf refuses it ({answer.patch})"
        return _PREFIX.sub("", said.strip())
    if status is Status.WRONG_SIZE and local.field and answer.field:
        return (
            f"it is {local.field.text} with {local.field.size} bytes in the object, "
            f"and {answer.field.text} with {answer.field.size} bytes in the kernel"
        )
    return ""


# ------------------------------------------------------------------- verdict


def _verdict(
    relocations: Sequence[Relocation],
    needs: Sequence[Feature],
    findings: Sequence[Finding],
    *,
    given: Collection[str] | None,
    unjudged: Sequence[str],
) -> tuple[Verdict, tuple[str, ...]]:
    refused = [
        it for it in relocations if it.status in (Status.AMBIGUOUS, Status.REFUSED)
    ]
    reached = [it for it in relocations if it.guard is Guard.REACHABLE]
    deadly = [it for it in relocations if it.guard is Guard.DEADLY]
    reasons = [f"{it.place}: {it.access}: {it.reason}" for it in refused]
    reasons += [
        f"{it.place}: {it.access} is {it.status.value.replace('_', ' ')} and not "
        "guarded"
        for it in reached
    ]
    reasons += [
        f"{', '.join(it.users)}: the kernel has no {it.need.value.replace('_', ' ')} "
        f"{it.name}{it.similar}"
        if it.need is not KernelNeed.RULE
        else f"{', '.join(it.users)}: the kernel has no {it.name}, {it.evidence}"
        for it in features.absent(needs)
    ]
    reasons += [str(it) for it in findings if it.effect is Effect.NOT_LOADED]
    left = [
        it.name
        for it in needs
        if it.need is KernelNeed.LOADER and it.name not in (given or ())
    ]
    if given is not None:
        reasons += [f"{it} is left to the loader, which does not set it" for it in left]
    if reasons:
        return Verdict.REJECTED, tuple(dict.fromkeys(reasons))
    if deadly:
        reasons = [
            f"{it.place}: {it.access} is guarded, but before 4.15 the kernel oopses "
            "because of poison in code that is never reached"
            for it in deadly
        ]
        return Verdict.CRASHES, tuple(reasons)
    if left or unjudged:
        reasons = [f"{name} is left to the loader" for name in left]
        return Verdict.UNKNOWN, (*reasons, *unjudged)
    return Verdict.LOADS, ()
