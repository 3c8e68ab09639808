"""Compare the arguments that programs read with the prototypes of a kernel.

What typed programs may read is decided by btf_ctx_access() in kernel/bpf/btf.c, read in
5.10, 6.1 and 6.12. All others are given a number, whatever the program takes it for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from runner.bpf.btf import COMPOSITES, ENUMERATIONS
from runner.bpf.kinds import Kind
from runner.bpf.object import BpfObject
from runner.facts.abilities import Known
from runner.preflight.arguments import Argument, AttachedProgram, Form, Holder
from runner.preflight.dataflow import Use, UseKind
from runner.preflight.declared import Declared
from runner.preflight.engine import Engine, PrototypeAnswer, SlotAnswer
from runner.preflight.model import Effect, Finding, FindingKind, Signature
from runner.preflight.places import place_of
from runner.preflight.prototypes import (
    are_alike,
    prototype_text,
    prototypes_of,
    slot_text,
)
from runner.preflight.rules import Code
from runner.versions import KernelVersion

_RECORDS = (*COMPOSITES, Kind.FWD)
_NUMBERS = (Kind.INT, *ENUMERATIONS)
_WORD = 8
# What programs call what a function returned.
_RETURNED = frozenset({"ret", "retval", "ret_val", "rc", "result"})
# Of btf_distill_func_proto(): arguments, and bytes of a struct that is passed by value.
_MOST_ARGUMENTS = 12
_MOST_BY_VALUE = 16
# Up to here a pointer to a pointer, or to a function, is no argument of typed programs;
# read in btf_ctx_access() of 6.12.
_READ_UP_TO = KernelVersion.parse("6.13")
# Where programs get a trampoline.
_TRAMPOLINES = ("fentry", "fexit", "fmod_ret", "lsm", "lsm_cgroup")


@dataclass(frozen=True, kw_only=True)
class ComparedArguments:
    """What a kernel's prototypes say of an object."""

    findings: tuple[Finding, ...] = ()
    signatures: tuple[Signature, ...] = ()


def compared(code: Code, known: Known, engine: Engine) -> ComparedArguments:
    """Compare what is read with the engine's target; what has no prototype is left out.

    Raises EngineError.
    """
    arguments = code.read
    attached = [it for it in code.attached if _needs_prototype(it)]
    wanted = {it.holder_name: it for it in attached}
    wanted |= {it.attached.holder_name: it.attached for it in arguments}
    if not wanted or not engine.target.functions:
        return ComparedArguments()
    prototypes = prototypes_of(wanted.values(), engine)
    comparison = _Comparison(code.item, engine, known)
    findings: list[Finding] = []
    signatures: list[Signature] = []
    for each in attached:
        prototype = prototypes[each.holder_name]
        if prototype is not None:
            findings += comparison.of_target(each, prototype)
    for argument in arguments:
        prototype = prototypes[argument.attached.holder_name]
        if prototype is not None:
            found = comparison.of(argument, prototype)
            findings += found.findings
            signatures += found.signatures
    findings += _beyond_tracepoints(code.item, arguments, prototypes)
    return ComparedArguments(findings=tuple(findings), signatures=tuple(signatures))


def _needs_prototype(attached: AttachedProgram) -> bool:
    return attached.section.partition("/")[0].removesuffix(".s") in _TRAMPOLINES


class _ArgumentPlace(Enum):
    """What stands where a program reads, when it is no parameter."""

    NOTHING = auto()
    # Which register a parameter is in depends on structs that are passed by value.
    UNKNOWN = auto()


class _Comparison:
    def __init__(self, item: BpfObject, engine: Engine, known: Known) -> None:
        self._item = item
        self._engine = engine
        self._known = known

    def of_target(
        self, attached: AttachedProgram, prototype: PrototypeAnswer
    ) -> Iterator[Finding]:
        """Yield why no trampoline can carry a function's arguments, if that is so."""
        why = self._unsupported(prototype)
        if why:
            start = attached.program.section_index, attached.program.start
            target = attached.target
            yield Finding(
                kind=FindingKind.TARGET_UNSUPPORTED,
                effect=Effect.NOT_LOADED,
                place=place_of(self._item, start, attached.program.name),
                subject=target,
                reason=f"{target}() {why}; the kernel has "
                f"{_prototype_text(attached, prototype)}",
                cure=f'attach to it with SEC("kprobe/{target}"), or to its caller',
            )

    def _unsupported(self, prototype: PrototypeAnswer) -> str:
        """Return what btf_distill_func_proto() refuses, in words."""
        parameters = prototype.parameters
        if len(parameters) > _MOST_ARGUMENTS:
            return f"has more than {_MOST_ARGUMENTS} arguments"
        if parameters and parameters[-1].kind is Kind.VOID:
            return "takes variable arguments"
        if prototype.returns.kind in COMPOSITES:
            return f"returns {prototype.returns.text} by value"
        by_value = [it for it in parameters if it.kind in COMPOSITES]
        if not by_value:
            return ""
        if any((it.size or 0) > _MOST_BY_VALUE for it in by_value):
            return f"takes a struct of more than {_MOST_BY_VALUE} bytes by value"
        return "" if self._passes_structs() else f"takes {by_value[0].text} by value"

    def _passes_structs(self) -> bool:
        """Tell whether trampolines carry structs: from 6.1 on (720e6a435194)."""
        (found,) = self._engine.find(["btf_func_model"])
        types = self._engine.types([id_ for id_, kind in found if kind in COMPOSITES])
        members = {it.name for type_ in types if type_ for it in type_.fields}
        return not members or "arg_flags" in members

    def of(self, argument: Argument, prototype: PrototypeAnswer) -> ComparedArguments:
        attached = argument.attached
        if argument.is_early or argument.is_late:
            return ComparedArguments(findings=(self._wrong_register(argument),))
        slot = _slot(argument, prototype)
        declared = _declared(argument)
        subject = _subject(argument)
        signature = Signature(
            program=attached.program.name,
            section=attached.section,
            subject=subject,
            kernel=slot_text(slot) if isinstance(slot, SlotAnswer) else "",
            program_type=_program_type(declared, argument),
        )
        if slot is _ArgumentPlace.UNKNOWN:
            return ComparedArguments()
        found = self._finding(argument, prototype, slot, declared)
        return ComparedArguments(
            findings=(found,) if found else (), signatures=(signature,)
        )

    def _finding(
        self,
        argument: Argument,
        prototype: PrototypeAnswer,
        slot: SlotAnswer | _ArgumentPlace,
        declared: Declared | None,
    ) -> Finding | None:
        typed = argument.attached.hook.form is Form.TYPED
        effect = Effect.NOT_LOADED if typed else Effect.WRONG_VALUE
        kind, target = FindingKind.ARGUMENT_MISSING, argument.attached.target
        if slot is _ArgumentPlace.NOTHING:
            if argument.attached.hook.form is Form.RAW:
                # It can't be attached: that is told once for all arguments.
                return None
            reason = _missing(argument, prototype)
        elif isinstance(slot, SlotAnswer) and slot.kind is Kind.VOID:
            kind, reason = FindingKind.RETURN_MISSING, f"{target}() returns nothing"
        elif isinstance(slot, SlotAnswer):
            return self._of_type(argument, prototype, slot, declared)
        else:
            return None
        return self._made(argument, kind, effect, reason, prototype)

    def _wrong_register(self, argument: Argument) -> Finding:
        """Return that a register holds something else where a probe is."""
        target = argument.attached.target
        if argument.is_early:
            reason = f"reads what {target}() returns when it begins"
            cure = f'read it in SEC("kretprobe/{target}"), or SEC("fexit/{target}")'
        else:
            assert argument.number is not None
            reason = (
                f"reads the register of argument {argument.number + 1} when {target}() "
                "returns"
            )
            cure = (
                f'keep it in a map in SEC("kprobe/{target}"), by '
                f'bpf_get_current_pid_tgid(); or use SEC("fexit/{target}"), which is '
                "given the arguments, too"
            )
        return Finding(
            kind=FindingKind.ARGUMENT_MISSING,
            effect=Effect.WRONG_VALUE,
            place=place_of(self._item, argument.reads[0].at),
            subject=_subject(argument),
            reason=f"{reason}: by then it holds something else"
            if argument.is_late
            else f"{reason}: the register holds something else until it returns",
            cure=cure,
        )

    def _of_type(
        self,
        argument: Argument,
        prototype: PrototypeAnswer,
        slot: SlotAnswer,
        declared: Declared | None,
    ) -> Finding | None:
        kind = FindingKind.ARGUMENT_CHANGED
        if self._is_refused(argument, slot):
            reason = (
                f"{_subject(argument)} is {slot_text(slot)}, which the verifier lets "
                "no typed program read"
            )
            return self._made(argument, kind, Effect.NOT_LOADED, reason, prototype)
        followed = _followed(argument, slot)
        if followed is not None:
            reason = (
                f"{_subject(argument)} is {slot_text(slot)}, which is not a pointer "
                "that a program may follow"
            )
            return self._made(
                argument, kind, Effect.NOT_LOADED, reason, prototype, followed
            )
        wanted = self._mismatch(argument, prototype, slot, declared)
        if not wanted:
            return None
        reason = (
            f"{_subject(argument)} is {slot_text(slot)}, and the program takes {wanted}"
        )
        return self._made(argument, kind, Effect.WRONG_VALUE, reason, prototype)

    def _is_refused(self, argument: Argument, slot: SlotAnswer) -> bool:
        """Tell whether the verifier lets a typed program read no such argument."""
        version = self._known.version
        if not _is_typed(argument) or version is None or version >= _READ_UP_TO:
            return False
        return slot.kind is Kind.PTR and slot.to_kind in (Kind.PTR, Kind.FUNC_PROTO)

    def _mismatch(
        self,
        argument: Argument,
        prototype: PrototypeAnswer,
        slot: SlotAnswer,
        declared: Declared | None,
    ) -> str:
        """Return what the program takes an argument for, if the kernel has another."""
        if declared is not None:
            moved = _moved(declared, slot, prototype)
            if moved:
                return f"it for {declared.text}, which is {moved} there"
            if self._differs(declared, slot):
                return f"it for {declared.text}"
            if _is_returned(argument, declared, prototype, slot):
                return f"it for the returned value ({declared.text})"
            return ""
        roots = [it for it in argument.roots if not self._fits(it, slot)]
        # A program may try one type after the other.
        if not roots or len(roots) < len(argument.roots):
            return ""
        return f"it for struct {roots[0]} *"

    def _differs(self, declared: Declared, slot: SlotAnswer) -> bool:
        if declared.pointers == 1 and declared.is_record:
            return not self._fits(declared.to.partition("___")[0], slot)
        if declared.pointers:
            # A number as wide as a pointer may well be one.
            return slot.kind in _NUMBERS and (slot.size or _WORD) < _WORD
        narrow = 0 < declared.size < _WORD
        return narrow and slot.kind is Kind.PTR

    def _fits(self, name: str, slot: SlotAnswer) -> bool:
        """Tell whether a parameter may be a pointer to a struct of a name."""
        if slot.kind in _NUMBERS:
            return (slot.size or _WORD) >= _WORD
        if slot.kind is not Kind.PTR or slot.to_kind is Kind.VOID:
            return True
        if slot.to_kind not in _RECORDS:
            return False
        if not (slot.to and name):
            return True
        return are_alike(name, slot.to, self._engine)

    def _made(
        self,
        argument: Argument,
        kind: FindingKind,
        effect: Effect,
        reason: str,
        prototype: PrototypeAnswer,
        use: Use | None = None,
    ) -> Finding:
        attached = argument.attached
        where = use or argument.reads[0]
        return Finding(
            kind=kind,
            effect=effect,
            place=place_of(self._item, where.at),
            subject=_subject(argument),
            reason=f"{reason}; the kernel has {_prototype_text(attached, prototype)}",
            cure=_cure(argument, prototype),
        )


# ------------------------------------------------------------------- places


def _slot(
    argument: Argument, prototype: PrototypeAnswer
) -> SlotAnswer | _ArgumentPlace:
    """Return what stands where a program reads."""
    hook = argument.attached.hook
    if argument.number is None:
        return prototype.returns
    parameters = prototype.parameters[hook.skipped :]
    number = argument.number
    if hook.form in (Form.TYPED, Form.RAW):
        # A struct that is passed by value has as many places as it has words.
        places = [it for it in parameters for _ in range(_words(it))]
    else:
        places = list(parameters)
        if any(it.kind in COMPOSITES for it in parameters):
            return _ArgumentPlace.UNKNOWN
    if number < len(places):
        return places[number]
    if number == len(places) and hook.returns:
        return prototype.returns
    return _ArgumentPlace.NOTHING


def _words(slot: SlotAnswer) -> int:
    if slot.kind not in COMPOSITES:
        return 1
    return max(1, -(-(slot.size or 0) // _WORD))


def _declared(argument: Argument) -> Declared | None:
    declared = argument.attached.declared
    if argument.number is None:
        return declared[0] if len(declared) == 1 else None
    return declared[argument.number] if argument.number < len(declared) else None


def _moved(declared: Declared, slot: SlotAnswer, prototype: PrototypeAnswer) -> str:
    """Return which argument has the name and type of what a program declares."""
    if not slot.name or slot.name == declared.name:
        return ""
    names = [it.name for it in prototype.parameters]
    if declared.name not in names:
        return ""
    number = names.index(declared.name)
    other = prototype.parameters[number]
    is_pointer = other.kind is Kind.PTR
    if is_pointer != bool(declared.pointers):
        return ""
    if is_pointer and declared.is_record and other.to != declared.to:
        return ""
    return f"argument {number + 1}"


def _is_returned(
    argument: Argument, declared: Declared, prototype: PrototypeAnswer, slot: SlotAnswer
) -> bool:
    """Tell whether a program takes an argument for what the function returned.

    Arguments that a function gets move what it returns, and nobody says so.
    """
    return (
        argument.attached.hook.returns
        and declared is argument.attached.declared[-1]
        and declared.name in _RETURNED
        and slot is not prototype.returns
        and bool(slot.name)
        and slot.name != declared.name
    )


def _followed(argument: Argument, slot: SlotAnswer) -> Use | None:
    """Return where a typed program reads behind what the verifier calls a number."""
    if not _is_typed(argument):
        return None
    number = slot.kind in _NUMBERS or (
        slot.kind is Kind.PTR and slot.to_kind in (Kind.VOID, Kind.INT)
    )
    if not number:
        return None
    reads = (UseKind.READ, UseKind.WRITE)
    return next((it for it in argument.uses if it.kind in reads), None)


def _is_typed(argument: Argument) -> bool:
    """Tell whether the verifier takes an argument's type from the prototype alone.

    Some iterators' pointers are buffers, which BTF does not show.
    """
    attached = argument.attached
    of_iterator = attached.section.partition("/")[0].removesuffix(".s") == "iter"
    return attached.hook.form is Form.TYPED and not of_iterator


def _beyond_tracepoints(
    item: BpfObject,
    arguments: Sequence[Argument],
    prototypes: Mapping[str, PrototypeAnswer | None],
) -> Iterator[Finding]:
    """Yield raw tracepoints' programs that read more than these pass on.

    `max_ctx_offset > num_args * 8` in __bpf_probe_register(): EINVAL.
    """
    told = set()
    for argument in reversed(arguments):
        attached = argument.attached
        prototype = prototypes[attached.holder_name]
        if attached.hook.form is not Form.RAW or prototype is None:
            continue
        if attached.program.name in told or argument.number is None:
            continue
        if _slot(argument, prototype) is _ArgumentPlace.NOTHING:
            told.add(attached.program.name)
            yield Finding(
                kind=FindingKind.ARGUMENT_MISSING,
                effect=Effect.NOT_ATTACHED,
                place=place_of(item, argument.reads[0].at),
                subject=_subject(argument),
                reason=f"{_missing(argument, prototype)}; the kernel has "
                f"{_prototype_text(attached, prototype)}",
                cure=_cure(argument, prototype),
            )


# -------------------------------------------------------------------- words


def _subject(argument: Argument) -> str:
    target = argument.attached.target
    if argument.number is None:
        return f"{target}, return value"
    return f"{target}, argument {argument.number + 1}"


def _missing(argument: Argument, prototype: PrototypeAnswer) -> str:
    attached = argument.attached
    count = len(prototype.parameters) - attached.hook.skipped
    plural = "s" if count != 1 else ""
    assert argument.number is not None
    return (
        f"{attached.target} doesn't have argument {argument.number + 1}, only "
        f"{count} argument{plural}"
    )


def _prototype_text(attached: AttachedProgram, prototype: PrototypeAnswer) -> str:
    hook = attached.hook
    returns = hook.holder is not Holder.TYPEDEF
    return prototype_text(
        attached.target, prototype, skipped=hook.skipped, returns=returns
    )


def _program_type(declared: Declared | None, argument: Argument) -> str:
    if declared is not None:
        return declared.text
    return f"struct {argument.roots[0]} *" if len(argument.roots) == 1 else ""


_MACROS = {Form.TYPED: "BPF_PROG", Form.RAW: "BPF_PROG", Form.REGISTERS: "BPF_KPROBE"}


def _cure(argument: Argument, prototype: PrototypeAnswer) -> str:
    attached = argument.attached
    hook, name = attached.hook, attached.program.name
    if argument.number is None:
        return f"don't read what {attached.target}() returns on this kernel"
    words = [name, *map(slot_text, prototype.parameters[hook.skipped :])]
    if attached.section.startswith("fexit") and prototype.returns.kind != Kind.VOID:
        words.append(slot_text(prototype.returns.model_copy(update={"name": "ret"})))
    macro = f"{_MACROS[hook.form]}({', '.join(words)})"
    if hook.holder is Holder.MEMBER:
        return (
            f"write a second program, {macro}, and a second map that has it, and load "
            "the ones that fit: `programs: {NAME: {load: …}}` and `maps: {NAME: "
            "{create: …}}`, or bpf_map__set_autocreate() (libbpf 1.4)"
        )
    return (
        f"write a second program, {macro}, and load the one that fits: "
        "`programs: {NAME: {load: …}}`, or bpf_program__set_autoload()"
    )
