"""What struct of a kernel a pointer of a program points to, and what lies in it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from runner.bpf import insn as op
from runner.bpf.btf import COMPOSITES
from runner.bpf.kinds import Kind, RelocationKind
from runner.preflight.arguments import Argument, Form
from runner.preflight.candidates import members_of
from runner.preflight.dataflow import Use, UseKind
from runner.preflight.engine import (
    Engine,
    MemberAnswer,
    PrototypeAnswer,
    RelocationAnswer,
    SlotAnswer,
    TypeAnswer,
)
from runner.preflight.kptrs import Kptrs
from runner.preflight.prototypes import prototypes_of
from runner.preflight.references import Address
from runner.preflight.returned import (
    CAST,
    CONTEXT_CAST,
    CURRENT_TASK,
    EXCHANGE,
    OF_PROGRAMS,
    PER_CPU,
    STRUCTS,
    plain,
)
from runner.preflight.rules import Code
from runner.preflight.values import OriginKind, Value, ValueOrigin

_POINTER = re.compile(r"^(?:const )?struct (\w+) \*$")
# Members BPF_PROG_TYPE_…_kern are the structs behind programs' contexts.
_CONTEXTS = "bpf_ctx_convert"
_DEEPEST = 16


@dataclass(frozen=True, kw_only=True)
class KernelField:
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


class PointedStructs:
    """The structs that an object's pointers point to on a kernel."""

    def __init__(
        self, code: Code, answers: Mapping[Address, RelocationAnswer], engine: Engine
    ) -> None:
        """Use the kernel that is the engine's target.

        `answers` are the kernel's to the object's relocations.
        """
        self._code = code
        self._answers = answers
        self._engine = engine
        self._kptrs = Kptrs(code.item)
        self._known: dict[ValueOrigin, str] = {}
        self._typed = {
            use.value.origin
            for it in code.read
            if it.attached.hook.form is Form.TYPED
            for use in it.uses
        }

    def struct_of(self, origin: ValueOrigin) -> str:
        """Return the name of the struct that a pointer points to; empty if unknown.

        Raises EngineError.
        """
        found = self._known.get(origin)
        if found is None:
            found = self._known[origin] = self._found(origin)
        return found

    def _found(self, origin: ValueOrigin) -> str:
        if origin.kind is OriginKind.EXTERN:
            return self._externs.get(origin.name, "")
        if origin.kind is OriginKind.GIVEN:
            return origin.name
        if origin.kind is OriginKind.CALL:
            return self._returned(origin)
        if origin in self._arguments:
            return self._arguments[origin]
        base = origin.base
        relocations = base.relocations if base else ()
        answer = self._answers.get(relocations[-1]) if relocations else None
        if answer is not None:
            text = answer.field.text if answer.field else ""
            match = _POINTER.match(text)
            return match[1] if match else ""
        return self._kptrs.struct_of(origin) or self._behind_bare(origin)

    def _behind_bare(self, origin: ValueOrigin) -> str:
        """Return what a pointer points to that was read without a relocation itself."""
        base = origin.base
        if base is None or base.origin is None or base.relocations:
            return ""
        outer = self.struct_of(base.origin)
        field = self.field_at(outer, base.offset) if outer else None
        match = _POINTER.match(field.type) if field else None
        return match[1] if match else ""

    # ------------------------------------------------------------------ calls

    def _returned(self, origin: ValueOrigin) -> str:
        """Return what a helper or kernel function returns a pointer to."""
        base = origin.base
        if origin.name == CAST:
            return self._cast_to(base)
        if origin.name == CONTEXT_CAST:
            return self._behind_context(base)
        if origin.name:
            return self._of_kfuncs.get(origin.name, "")
        if origin.helper in PER_CPU:
            if base is None or base.origin is None:
                return ""
            is_whole = not base.offset and not base.relocations
            return self.struct_of(base.origin) if is_whole else ""
        if origin.helper == EXCHANGE:
            return self._kptrs.struct_of(origin)
        return STRUCTS.get(origin.helper, "")

    @cached_property
    def _of_kfuncs(self) -> Mapping[str, str]:
        """Return what structs the kernel's functions return pointers to."""
        names = {
            origin.name
            for use in self._code.uses
            for origin in _behind(use.value)
            if origin.kind is OriginKind.CALL and origin.name
        }
        wanted = sorted(names)
        found = self._engine.prototypes(wanted) if wanted else []
        return {
            name: struct
            for name, prototype in zip(wanted, found, strict=True)
            if prototype is not None
            and (struct := _struct_of_slot(prototype.returns)) not in OF_PROGRAMS
        }

    def _cast_to(self, id_: Value | None) -> str:
        """Return the struct whose id in the kernel's BTF a value is."""
        for record in self._code.item.relocations:
            if (
                id_ is not None
                and record.address == id_.relocations[-1]
                and record.kind == RelocationKind.TARGET_TYPE_ID
            ):
                type_ = self._code.item.btf.resolved(record.type_id)
                if type_.kind in COMPOSITES:
                    return plain(type_.name)
        return ""

    def _behind_context(self, context: Value | None) -> str:
        """Return the kernel's struct behind the context of a program."""
        origin = context.origin if context else None
        if origin is None or origin.kind is not OriginKind.CONTEXT:
            return ""
        program = self._code.item.function_at(*origin.at)
        types = {it.name: it.type for it in self._code.contents.programs}
        number = types.get(program.name, 0) if program else 0
        names = self._engine.names.programs
        name = names[number].upper() if 0 < number < len(names) else ""
        struct = self.type_of(_CONTEXTS)
        for member in struct.fields if struct and name else ():
            if member.name == f"BPF_PROG_TYPE_{name}_kern":
                return member.text.removeprefix("struct ")
        return ""

    @cached_property
    def _externs(self) -> Mapping[str, str]:
        """Return what structs the object takes the kernel's variables for."""
        btf = self._code.item.btf
        found = {}
        for type_ in btf.types():
            if type_.kind is Kind.VAR and type_.refers_to:
                struct = btf.resolved(type_.refers_to)
                if struct.kind in COMPOSITES:
                    found[type_.name] = plain(struct.name)
        return found

    # -------------------------------------------------------------- arguments

    @cached_property
    def _arguments(self) -> Mapping[ValueOrigin, str]:
        """Return what arguments point to, by what was read from the context."""
        arguments = self._code.read
        if not arguments or not self._engine.target.functions:
            return {}
        prototypes = prototypes_of([it.attached for it in arguments], self._engine)
        return {
            use.value.origin: struct
            for it in arguments
            if (prototype := prototypes[it.attached.holder_name]) is not None
            and (struct := _struct_of_argument(it, prototype))
            for use in it.uses
            if use.value.origin is not None
        }

    # ---------------------------------------------------------- the verifier

    def is_typed(self, use: Use) -> bool:
        """Tell whether the verifier knows the struct that an instruction reads."""
        origin = use.value.origin
        return use.kind is UseKind.READ and origin is not None and self._types(origin)

    def _types(self, origin: ValueOrigin) -> bool:
        """Tell whether the verifier knows the type of a pointer."""
        if origin.kind in (OriginKind.EXTERN, OriginKind.GIVEN):
            return True
        if origin.kind is OriginKind.CALL:
            return origin.helper != CURRENT_TASK
        if origin in self._typed or self._kptrs.struct_of(origin):
            return True
        # What an instruction reads there, and not a helper that copies.
        insn = self._code.flow.insn(origin.at)
        base = origin.base.origin if origin.base else None
        is_loaded = insn is not None and insn.op_class == op.LDX
        return is_loaded and base is not None and self._types(base)

    # ------------------------------------------------------------ the kernel

    def type_of(self, struct: str) -> TypeAnswer | None:
        """Return a struct of the kernel. Raises EngineError."""
        (found,) = self._engine.find([struct])
        ids = [id_ for id_, kind in found if kind in COMPOSITES]
        return self._engine.types(ids[:1])[0] if ids else None

    def meant(self, struct: str, words: Iterable[str]) -> KernelField | None:
        """Return the last member of a struct that words name, one behind the other.

        Raises EngineError.
        """
        found, start = None, self.type_of(struct)
        type_, path, base = start, "", 0
        for word in words:
            member = _member_named(type_, word, self._engine)
            if member is None and path:
                type_, path, base = start, "", 0
                member = _member_named(type_, word, self._engine)
            if member is None:
                continue
            base += member.bit_offset // 8
            path = f"{path}.{word}" if path else word
            found = _field(member, path, base)
            (type_,) = self._engine.types([member.type])
        return found

    def beside(self, struct: str, field: KernelField) -> list[str]:
        """Return the members of the innermost struct that a field is in."""
        type_ = self.type_of(struct)
        for step in field.path.split(".")[:-1]:
            members = members_of(type_, self._engine) if type_ else ()
            ids = [it.type for it in members if it.name == step]
            type_ = self._engine.types(ids[:1])[0] if ids else None
        members = members_of(type_, self._engine) if type_ else ()
        return [it.name for it in members]

    def field_at(self, struct: str, offset: int) -> KernelField | None:
        """Return the innermost field at a byte of a struct; None behind its end."""
        type_, path, base = self.type_of(struct), "", 0
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


def _behind(value: Value) -> list[ValueOrigin]:
    """Return the origins that a value was made of."""
    found = []
    origin = value.origin
    while origin is not None:
        found.append(origin)
        origin = origin.base.origin if origin.base else None
    return found


def _member_named(
    type_: TypeAnswer | None, name: str, engine: Engine
) -> MemberAnswer | None:
    members = members_of(type_, engine) if type_ else ()
    return next((it for it in members if it.name == name), None)


def _member_at(type_: TypeAnswer, offset: int, engine: Engine) -> MemberAnswer | None:
    for member in members_of(type_, engine):
        start = member.bit_offset // 8
        if start <= offset < start + (member.size or 0):
            return member
    return None


def _field(member: MemberAnswer, path: str, offset: int) -> KernelField:
    return KernelField(
        path=path,
        name=member.name,
        offset=offset,
        type=member.text,
        size=member.size or 0,
        bits=member.bits,
        is_pointer=member.kind is Kind.PTR,
    )


def _struct_of_argument(argument: Argument, prototype: PrototypeAnswer) -> str:
    hook = argument.attached.hook
    if argument.is_early or argument.is_late:
        return ""
    if argument.number is None or hook.form is Form.RETURNED:
        return _struct_of_slot(prototype.returns)
    parameters = prototype.parameters[hook.skipped :]
    by_value = any(it.kind in COMPOSITES for it in parameters)
    if by_value or argument.number >= len(parameters):
        return ""
    return _struct_of_slot(parameters[argument.number])


def _struct_of_slot(slot: SlotAnswer) -> str:
    return slot.to if slot.kind is Kind.PTR and slot.to_kind in COMPOSITES else ""
