"""Find reads of the kernel's structs at offsets that no relocation adapts.

The program reads where the field lay when it was compiled. What lies there on a kernel
is in its BTF; which field is meant is often in the line of source: where the line names
the field that lies there, nothing is said.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from runner.bpf.btf import COMPOSITES
from runner.bpf.kinds import Kind
from runner.preflight.arguments import Argument, Form
from runner.preflight.candidates import members_of
from runner.preflight.dataflow import PER_CPU, Use, UseKind, offset_on
from runner.preflight.engine import (
    Engine,
    MemberAnswer,
    PrototypeAnswer,
    RelocationAnswer,
    TypeAnswer,
)
from runner.preflight.model import Effect, Finding, FindingKind, InstructionPlace
from runner.preflight.places import place_of, statement_of
from runner.preflight.prototypes import prototypes_of
from runner.preflight.references import Address
from runner.preflight.rules import Code
from runner.preflight.values import OriginKind, ValueOrigin

# What helpers return: bpf_get_current_task(), bpf_get_current_task_btf().
_CURRENT_TASK = 158
RETURNED = {35: "task_struct", _CURRENT_TASK: "task_struct"}
# bpf_probe_read_user() and _user_str() read no memory of the kernel.
_OF_USERS = frozenset({112, 114})
# Structs that have one layout for good, or that programs cast to another one: registers
# are named by macros, and struct sockaddr stands for those of all families.
_FIXED = frozenset({"pt_regs", "user_pt_regs", "sockaddr", "bpf_raw_tracepoint_args"})
_POINTER = re.compile(r"^(?:const )?struct (\w+) \*$")
_WORD = re.compile(r"\w+")
# "->pid", ".pid", and what follows the pointer in BPF_PROBE_READ(task, mm, owner).
_MEMBER = re.compile(r"(?:->|\.)\s*([A-Za-z_]\w*)")
_MACRO = re.compile(r"\bBPF_\w*READ\w*\([^,]+,([^()]*)\)")
_DEEPEST = 16


@dataclass(frozen=True, kw_only=True)
class _Field:
    """A field of a struct, as a kernel has it."""

    # "se.avg.load_sum", its last name, and its first byte.
    path: str
    name: str
    offset: int
    type: str
    size: int
    # Width of a bit field; 0 for others.
    bits: int
    is_pointer: bool

    def __str__(self) -> str:
        return f"`{self.path}` ({self.type}, {self.size} bytes)"


def compared(
    code: Code, answers: Mapping[Address, RelocationAnswer], engine: Engine
) -> tuple[Finding, ...]:
    """Return the reads that no relocation adapts, and that do not name what is there.

    `answers` are the kernel's to the object's relocations. Raises EngineError.
    """
    reads = [it for it in code.uses if _is_of_memory(it)]
    if not reads:
        return ()
    return tuple(_BareComparison(code, answers, engine).findings(reads))


def _is_of_memory(use: Use) -> bool:
    value = use.value
    if use.kind not in (UseKind.READ, UseKind.COPIED) or use.helper in _OF_USERS:
        return False
    kinds = (OriginKind.CALL, OriginKind.LOADED, OriginKind.EXTERN)
    is_elsewhere = value.origin is not None and value.origin.kind in kinds
    # Without an offset it may be no member: `*pointer`.
    return is_elsewhere and value.offset > 0


class _BareComparison:
    def __init__(
        self, code: Code, answers: Mapping[Address, RelocationAnswer], engine: Engine
    ) -> None:
        self._code = code
        self._answers = answers
        self._engine = engine
        self._arguments = _pointed(code, engine)
        self._typed = {
            use.value.origin
            for it in code.read
            if it.attached.hook.form is Form.TYPED
            for use in it.uses
        }

    @cached_property
    def _externs(self) -> dict[str, str]:
        """Return what structs the object takes the kernel's variables for."""
        btf = self._code.item.btf
        found = {}
        for type_ in btf.types():
            if type_.kind is Kind.VAR and type_.refers_to:
                struct = btf.resolved(type_.refers_to)
                if struct.kind in COMPOSITES:
                    found[type_.name] = struct.name.partition("___")[0]
        return found

    def findings(self, uses: list[Use]) -> Iterator[Finding]:
        told = set()
        for use in uses:
            assert use.value.origin is not None
            # What a relocation adapts is right, unless the verifier refuses it.
            if use.value.relocations and not self._is_typed(use):
                continue
            struct = self._struct_of(use.value.origin)
            if not struct or struct in _FIXED:
                continue
            found = self._finding(use, struct)
            if found is None:
                continue
            # Once for all bytes of an array that a line reads.
            place = found.place
            where = (place.file, place.line) if place.line else place
            key = place.program, where, struct, found.effect
            if key not in told:
                told.add(key)
                yield found

    def _struct_of(self, origin: ValueOrigin) -> str:
        """Return the name of the struct that a pointer points to; empty if unknown."""
        if origin.kind is OriginKind.EXTERN or origin.helper in PER_CPU:
            return self._externs.get(origin.kfunc, "")
        if origin.kind is OriginKind.CALL:
            return RETURNED.get(origin.helper, "")
        if origin in self._arguments:
            return self._arguments[origin]
        relocations = origin.base.relocations if origin.base else ()
        answer = self._answers.get(relocations[-1]) if relocations else None
        if answer is not None:
            text = answer.field.text if answer.field else ""
            match = _POINTER.match(text)
            return match[1] if match else ""
        return self._behind_bare(origin)

    def _behind_bare(self, origin: ValueOrigin) -> str:
        """Return what a pointer points to that was read without a relocation itself."""
        base = origin.base
        if base is None or base.origin is None or base.relocations:
            return ""
        outer = self._struct_of(base.origin)
        field = self._field_at(outer, base.offset) if outer else None
        match = _POINTER.match(field.type) if field else None
        return match[1] if match else ""

    def _finding(self, use: Use, struct: str) -> Finding | None:
        offset = offset_on(use.value, self._code.flow, self._code.changed)
        lies = self._field_at(struct, offset) if offset is not None else None
        if lies is None or offset is None:
            # Behind the end: the pointer was cast to a larger struct.
            return None
        place = place_of(self._code.item, use.at)
        refused = self._is_typed(use) and _is_refused(offset, use.size, lies)
        if use.value.relocations:
            return _too_wide(use, place, struct, lies) if refused else None
        source = statement_of(self._code.item, use.at)
        if set(lies.path.split(".")) & set(_WORD.findall(source)):
            return _too_wide(use, place, struct, lies) if refused else None
        meant = self._meant(struct, _members_in(source))
        where = "" if lies.offset == offset else "inside of "
        reason = (
            f"reads {struct}+{offset} without a relocation, which is {where}{lies} "
            "on this kernel"
        )
        if meant is not None:
            reason += f"; `{meant.path}` is at {struct}+{meant.offset}"
        if refused:
            reason += "; the verifier refuses to read a part of it"
        return Finding(
            kind=FindingKind.FIELD_UNRELOCATED,
            effect=Effect.NOT_LOADED if refused else Effect.WRONG_VALUE,
            place=place,
            subject=f"{struct}+{offset}",
            reason=reason,
            cure="read it with BPF_CORE_READ(), or declare the struct with "
            "__attribute__((preserve_access_index)), as vmlinux.h does",
        )

    def _is_typed(self, use: Use) -> bool:
        """Tell whether the verifier knows the struct, and reads by an instruction."""
        origin = use.value.origin
        if use.kind is not UseKind.READ or origin is None:
            return False
        is_variable = origin.kind is OriginKind.EXTERN or origin.helper in PER_CPU
        is_task = origin.helper == _CURRENT_TASK
        return is_variable or is_task or origin in self._typed

    # ------------------------------------------------------------ the kernel

    def _type(self, struct: str) -> TypeAnswer | None:
        (found,) = self._engine.find([struct])
        ids = [id_ for id_, kind in found if kind in COMPOSITES]
        return self._engine.types(ids[:1])[0] if ids else None

    def _meant(self, struct: str, words: list[str]) -> _Field | None:
        """Return the member that a line of source names."""
        type_ = self._type(struct)
        members = members_of(type_, self._engine) if type_ else ()
        named = {it.name: it for it in members}
        for word in reversed(words):
            if word in named:
                return _field(named[word], word, named[word].bit_offset // 8)
        return None

    def _field_at(self, struct: str, offset: int) -> _Field | None:
        """Return the innermost field at a byte of a struct; None behind its end."""
        type_, path, base = self._type(struct), "", 0
        found = None
        for _ in range(_DEEPEST):
            member = _member_at(type_, offset - base, self._engine) if type_ else None
            if member is None:
                break
            base += member.bit_offset // 8
            path = f"{path}.{member.name}" if path else member.name
            found = _field(member, path, base)
            if member.kind not in COMPOSITES:
                break
            (type_,) = self._engine.types([member.type])
        return found


def _is_refused(offset: int, size: int, field: _Field) -> bool:
    """Tell what btf_struct_walk() refuses: parts of pointers, and more than a field.

    "cannot access ptr member" and "access beyond the end of member", in 5.10 and 6.12.
    """
    if field.is_pointer:
        return offset != field.offset or size != field.size
    return not field.bits and offset + size > field.offset + field.size


def _too_wide(use: Use, place: InstructionPlace, struct: str, field: _Field) -> Finding:
    """Return that a program reads a field, and not just that."""
    return Finding(
        kind=FindingKind.FIELD_UNRELOCATED,
        effect=Effect.NOT_LOADED,
        place=place,
        subject=f"{struct}.{field.path}",
        reason=f"reads {use.size} bytes of {struct} at once, where {field} lies; the "
        "verifier lets no program read more than a field, or a part of a pointer",
        cure="read each field by itself, or copy them with bpf_probe_read_kernel()",
    )


def _members_in(source: str) -> list[str]:
    """Return what a line of source names as members."""
    found = _MEMBER.findall(source)
    for words in _MACRO.findall(source):
        found += _WORD.findall(words)
    return found


def _member_at(type_: TypeAnswer, offset: int, engine: Engine) -> MemberAnswer | None:
    for member in members_of(type_, engine):
        start = member.bit_offset // 8
        if start <= offset < start + (member.size or 0):
            return member
    return None


def _field(member: MemberAnswer, path: str, offset: int) -> _Field:
    return _Field(
        path=path,
        name=member.name,
        offset=offset,
        type=member.text,
        size=member.size or 0,
        bits=member.bits,
        is_pointer=member.kind is Kind.PTR,
    )


# ---------------------------------------------------------------- arguments


def _pointed(code: Code, engine: Engine) -> dict[ValueOrigin, str]:
    """Return what structs arguments point to, by what was read from the context."""
    arguments = code.read
    if not arguments or not engine.target.functions:
        return {}
    prototypes = prototypes_of([it.attached for it in arguments], engine)
    return {
        use.value.origin: struct
        for it in arguments
        if (prototype := prototypes[it.attached.holder_name]) is not None
        and (struct := _struct_of_argument(it, prototype))
        for use in it.uses
        if use.value.origin is not None
    }


def _struct_of_argument(argument: Argument, prototype: PrototypeAnswer) -> str:
    hook = argument.attached.hook
    if argument.is_early or argument.is_late:
        return ""
    if argument.number is None or hook.form is Form.RETURNED:
        slot = prototype.returns
    else:
        parameters = prototype.parameters[hook.skipped :]
        by_value = any(it.kind in COMPOSITES for it in parameters)
        if by_value or argument.number >= len(parameters):
            return ""
        slot = parameters[argument.number]
    return slot.to if slot.kind is Kind.PTR and slot.to_kind in COMPOSITES else ""
