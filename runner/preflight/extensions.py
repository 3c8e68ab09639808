"""Programs that extend another object's (freplace), against the functions they replace.

The kernel compares both prototypes by the BTF of both objects
(btf_check_func_type_match() in kernel/bpf/btf.c, read in 6.1), so that nothing depends
on a kernel.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runner.bpf.btf import ENUMERATIONS, MODIFIERS, Btf, Type
from runner.bpf.debuginfo import Function
from runner.bpf.kinds import Kind
from runner.bpf.object import BpfObject
from runner.preflight.model import Effect, Finding, FindingKind
from runner.preflight.places import place_of
from runner.text.nearest import near

SECTION = "freplace"
_NUMBERS = (Kind.INT, *ENUMERATIONS)
# BTF_FUNC_GLOBAL.
_GLOBAL = 1


@dataclass(frozen=True, kw_only=True)
class _Prototype:
    name: str
    # Their types without typedefs and qualifiers; None for void.
    parameters: tuple[tuple[str, Type | None], ...]
    returns: Type | None
    btf: Btf
    is_global: bool

    @property
    def text(self) -> str:
        return self.renamed(self.name)

    def renamed(self, name: str) -> str:
        """Return it as C writes it, for a function of another name."""
        parameters = ", ".join(
            _joined(_text(it, self.btf), called) for called, it in self.parameters
        )
        return f"{_joined(_text(self.returns, self.btf), name)}({parameters or 'void'})"


def findings(
    item: BpfObject,
    sections: Mapping[str, str],
    loaded: frozenset[str],
    extended: BpfObject,
) -> Iterator[Finding]:
    """Yield the programs that can't replace a function of the extended object.

    `sections` are the programs' sections, by their names.
    """
    for program in item.programs:
        section = sections.get(program.name, program.section).removeprefix("?")
        prefix, _, target = section.partition("/")
        if prefix != SECTION or not target or program.name not in loaded:
            continue
        found = _of_program(item, program, target, extended)
        if found is not None:
            yield found


def _of_program(
    item: BpfObject, program: Function, target: str, extended: BpfObject
) -> Finding | None:
    own, other = (
        _functions(of).get(name)
        for of, name in ((item, program.name), (extended, target))
    )
    if own is None:
        return None
    kind, subject, cure = FindingKind.TARGET_MISSING, target, ""
    if other is None:
        names = [name for name, it in _functions(extended).items() if it.is_global]
        reason = f"{extended.path.name} has no function {target}{near(target, names)}"
        cure = 'name one that it has: SEC("freplace/FUNCTION")'
    elif not other.is_global:
        kind = FindingKind.TARGET_UNSUPPORTED
        reason = f"{target}() of {extended.path.name} is static"
        cure = f"remove `static` from {target}(), and add __noinline"
    else:
        found = _mismatch(own, other)
        if found is None:
            return None
        kind, what, why = found
        subject = f"{target}, {what}"
        reason = f"{why}; {extended.path.name} has {other.text}"
        cure = f"declare it as {other.renamed(program.name)}"
    return Finding(
        kind=kind,
        effect=Effect.NOT_LOADED,
        place=place_of(item, (program.section_index, program.start), program.name),
        subject=subject,
        reason=reason,
        cure=cure,
    )


def _functions(item: BpfObject) -> dict[str, _Prototype]:
    """Return the functions of an object's BTF, by their names."""
    btf, found = item.btf, {}
    for type_ in btf.types():
        if type_.kind is Kind.FUNC:
            prototype = btf.type(type_.refers_to)
            found[type_.name] = _Prototype(
                name=type_.name,
                parameters=tuple(
                    (name, _resolved(btf, id_))
                    for name, id_ in btf.parameters(prototype)
                ),
                returns=_resolved(btf, prototype.refers_to),
                btf=btf,
                is_global=type_.count == _GLOBAL,
            )
    return found


def _mismatch(
    own: _Prototype, other: _Prototype
) -> tuple[FindingKind, str, str] | None:
    """Return what differs first, of what the kernel compares."""
    taken, there = len(own.parameters), len(other.parameters)
    if taken != there:
        more = taken > there
        kind = FindingKind.ARGUMENT_MISSING if more else FindingKind.ARGUMENT_CHANGED
        return (
            kind,
            "arguments",
            f"{own.name}() takes {taken} and {other.name}() {there}",
        )
    if _shape(own.returns) != _shape(other.returns):
        kind = FindingKind.ARGUMENT_CHANGED
        if other.returns is None:
            kind = FindingKind.RETURN_MISSING
        texts = _text(own.returns, own.btf), _text(other.returns, other.btf)
        why = f"{own.name}() returns {texts[0]}, and {other.name}() {texts[1]}"
        return kind, "return value", why
    pairs = zip(own.parameters, other.parameters, strict=True)
    for number, ((_, mine), (_, theirs)) in enumerate(pairs, 1):
        if _differs(mine, own.btf, theirs, other.btf):
            what, text = f"argument {number}", _text(mine, own.btf)
            why = f"{what} of {own.name}() is {text}, and of {other.name}() "
            why += _text(theirs, other.btf)
            return FindingKind.ARGUMENT_CHANGED, what, why
    return None


def _differs(mine: Type | None, own: Btf, theirs: Type | None, other: Btf) -> bool:
    if _shape(mine) != _shape(theirs) or mine is None or theirs is None:
        return True
    if mine.kind in _NUMBERS:
        return mine.size != theirs.size
    if mine.kind is not Kind.PTR:
        return True
    pointed = _resolved(own, mine.refers_to), _resolved(other, theirs.refers_to)
    return any(it is None or it.kind is not Kind.STRUCT for it in pointed) or (
        pointed[0] is not None
        and pointed[1] is not None
        and pointed[0].name != pointed[1].name
    )


def _shape(type_: Type | None) -> tuple[Kind, int, bool]:
    """Return what the kernel compares as `info`: kind, count and flag."""
    if type_ is None:
        return Kind.VOID, 0, False
    return type_.kind, type_.count, type_.flag


def _resolved(btf: Btf, id_: int) -> Type | None:
    """Return a type without typedefs and qualifiers; None for void."""
    found = btf.resolved(id_) if id_ else None
    return None if found is None or found.kind in MODIFIERS else found


def _text(type_: Type | None, btf: Btf) -> str:
    if type_ is None:
        return "void"
    if type_.kind is Kind.PTR:
        return _joined(_text(_resolved(btf, type_.refers_to), btf), "*")
    return str(type_) or "?"


def _joined(type_: str, name: str) -> str:
    space = "" if type_.endswith("*") or not name else " "
    return f"{type_}{space}{name}"
