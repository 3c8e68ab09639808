"""What an object declares to be in the kernel: functions (kfuncs) and variables.

libbpf resolves all of an object's externs, whether they are used or not, and refuses
the object where a strong one is missing (bpf_object__resolve_externs()). It leaves a
weak one out, and the verifier refuses what reaches a call of it, or, when kernels began
to have such functions, whatever has one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from runner.bpf import insn as op
from runner.bpf.btf import COMPOSITES, MODIFIERS
from runner.bpf.kinds import Kind
from runner.bpf.object import BpfObject
from runner.facts.model import UNKNOWN, Judgement, Learnt, Presence, judged
from runner.preflight.engine import Engine, KfuncAnswer
from runner.preflight.model import Effect, Feature, Finding, FindingKind, KernelNeed
from runner.preflight.places import place_of
from runner.preflight.prototypes import are_alike, prototype_text
from runner.preflight.references import Address
from runner.preflight.returned import plain
from runner.versions import KernelVersion, VersionRange

_SECTION = ".ksyms"
# add_kfunc_call() came with 5.13; a5d827275241 made it pass over missing ones.
# 5.14.2 was seen to refuse them.
_STRICT = VersionRange.parse(">=5.13,<5.15")


@dataclass(frozen=True, kw_only=True)
class Extern:
    """A function or variable that an object takes from the kernel."""

    name: str
    is_function: bool
    # Of a function its prototype in the object's BTF; of a variable its type, 0 where
    # it has none, so that libbpf looks for its address in kallsyms.
    type_id: int
    is_weak: bool
    # Instructions that refer to it, and the functions that these are in.
    places: tuple[Address, ...]
    users: tuple[str, ...]
    # Those that call it; others ask whether it is there.
    calls: tuple[Address, ...]

    def is_reached(self, reached: frozenset[Address]) -> bool:
        """Tell whether a verifier comes to a call of it."""
        return any(it in reached for it in self.calls)


class Externs:
    """All externs of an object that are not its configuration's."""

    def __init__(self, item: BpfObject) -> None:
        """Look at an object."""
        self._item = item

    @cached_property
    def all(self) -> tuple[Extern, ...]:
        """All of them, in the order of their types."""
        if not any(not it.symbol.section for it in self._item.references):
            return ()
        return tuple(self._found())

    def _found(self) -> Iterator[Extern]:
        btf, item = self._item.btf, self._item
        places: dict[str, list[Address]] = {}
        users: dict[str, list[str]] = {}
        weak = {}
        for it in item.references:
            if not it.symbol.section:
                places.setdefault(it.symbol.name, []).append(it.address)
                users.setdefault(it.symbol.name, []).append(it.function.name)
                weak[it.symbol.name] = it.symbol.is_weak
        for section in btf.sections():
            if section.name != _SECTION:
                continue
            for type_ in btf.held(section):
                if type_.name not in places:
                    continue
                is_function = type_.kind is Kind.FUNC
                void = not type_.refers_to or (
                    btf.resolved(type_.refers_to).kind in MODIFIERS
                )
                yield Extern(
                    name=type_.name,
                    is_function=is_function,
                    type_id=0 if void else type_.refers_to,
                    is_weak=weak[type_.name],
                    places=tuple(places[type_.name]),
                    users=tuple(dict.fromkeys(users[type_.name])),
                    calls=tuple(filter(self._is_call, places[type_.name])),
                )

    def _is_call(self, at: Address) -> bool:
        return self._item.code[at[0]][at[1]].code == op.JMP | op.CALL


def features(
    externs: Sequence[Extern],
    reached: frozenset[Address],
    number: int,
    engine: Engine,
    version: KernelVersion | None = None,
) -> Iterator[Feature]:
    """Yield what an object declares, and whether the engine's target has it.

    `number` is what the engine calls the object, `version` is the target's.
    """
    if not externs:
        return
    kfuncs = _kfuncs(externs, number, engine)
    variables = [it for it in externs if not it.is_function and it.type_id]
    found = engine.find([it.name for it in variables]) if variables else []
    there = {
        it.name: any(kind is Kind.VAR for _, kind in types)
        for it, types in zip(variables, found, strict=True)
    }
    for it in externs:
        if it.is_function:
            judgement = _of_kfunc(it, kfuncs[it.name], reached, engine)
            evidence = "functions in BTF"
            if judgement.presence is Presence.ABSENT and kfuncs[it.name]:
                evidence = "no bpf_kfunc tag in BTF"
        elif it.name in there:
            judgement = _by_btf(there[it.name], engine)
            evidence = "variables in BTF"
        else:
            judgement, evidence = UNKNOWN, "kallsyms"
        # What is weak is refused only where a verifier looks at a call of it.
        looked_at = it.is_reached(reached) or (it.calls and _looks_everywhere(version))
        stops = it.is_function and looked_at
        yield Feature(
            need=KernelNeed.KFUNC if it.is_function else KernelNeed.KSYM,
            name=it.name,
            presence=judgement.presence,
            users=it.users,
            evidence=evidence,
            stops_loading=stops or not it.is_weak,
            learnt=judgement.learnt,
        )


def addresses(
    externs: Sequence[Extern], number: int, engine: Engine
) -> Mapping[str, bool]:
    """Return the externs of the engine's target whose addresses programs take.

    Of functions the verifier knows that they are not 0 (PTR_TO_MEM), of variables it
    does not. libbpf puts 0 in the place of what is missing, or has another prototype.
    `number` is what the engine calls the object.
    """
    taken = [it for it in externs if len(it.places) > len(it.calls) and it.type_id]
    if not taken:
        return {}
    kfuncs = _kfuncs(taken, number, engine)
    variables = [it.name for it in taken if not it.is_function]
    found = engine.find(variables) if variables else []
    there = {
        name
        for name, types in zip(variables, found, strict=True)
        if any(kind is Kind.VAR for _, kind in types)
    }
    there |= {name for name, kfunc in kfuncs.items() if kfunc and kfunc.compatible}
    return {it.name: it.is_function for it in taken if it.name in there}


def _looks_everywhere(version: KernelVersion | None) -> bool:
    """Tell whether a kernel refuses a missing function that nothing calls, too.

    Vendors may have taken the cure back to older kernels.
    """
    if version is None or version not in _STRICT:
        return False
    return version.member is None or version.member.family.follows_upstream


def _kfuncs(
    externs: Sequence[Extern], number: int, engine: Engine
) -> Mapping[str, KfuncAnswer | None]:
    functions = [it for it in externs if it.is_function]
    wanted = [(it.name, it.type_id) for it in functions]
    found = engine.kfuncs(number, wanted) if wanted else []
    return {it.name: answer for it, answer in zip(functions, found, strict=True)}


def _of_kfunc(
    extern: Extern,
    found: KfuncAnswer | None,
    reached: frozenset[Address],
    engine: Engine,
) -> Judgement:
    # libbpf finds it, and the verifier lets no program call it.
    is_other = found is not None and found.tags and not found.tagged
    if is_other and extern.is_reached(reached):
        return judged(False, Learnt.BTF)
    return _by_btf(found is not None, engine)


def _by_btf(there: bool, engine: Engine) -> Judgement:
    known = there or engine.target.functions
    return judged(there, Learnt.BTF) if known else UNKNOWN


def findings(
    item: BpfObject,
    externs: Sequence[Extern],
    reached: frozenset[Address],
    number: int,
    engine: Engine,
) -> Iterator[Finding]:
    """Yield the kernel functions that an object declares in another way."""
    kfuncs = _kfuncs(externs, number, engine)
    for it in externs:
        found = kfuncs.get(it.name)
        if found is None:
            continue
        if found.compatible:
            yield from _of_result(item, it, reached, engine)
            continue
        # libbpf before 1.3 refuses weak ones, too; newer ones take them for missing.
        if it.is_weak and not it.is_reached(reached):
            continue
        (prototype,) = engine.prototypes([plain(it.name)])
        shown = prototype_text(it.name, prototype) if prototype else "another one"
        yield Finding(
            kind=FindingKind.KFUNC_CHANGED,
            effect=Effect.NOT_LOADED,
            place=place_of(item, (*it.calls, *it.places)[0], it.name),
            subject=it.name,
            reason=f"{it.name}() has another prototype: the kernel has {shown}",
            cure=f"declare both, the other one as extern … {it.name}___other(…) __ksym "
            "__weak, and call the one for which bpf_ksym_exists() (libbpf 1.3)",
        )


def _of_result(
    item: BpfObject, extern: Extern, reached: frozenset[Address], engine: Engine
) -> Iterator[Finding]:
    """Yield that a kernel function returns another struct than the object says.

    libbpf compares no names of structs (bpf_core_types_are_compat()), and the verifier
    takes the kernel's.
    """
    calls = [at for at in extern.calls if at in reached]
    declared = _struct_returned(item, extern)
    if not calls or not declared:
        return
    name = plain(extern.name)
    (prototype,) = engine.prototypes([name])
    if prototype is None or prototype.returns.to_kind not in COMPOSITES:
        return
    returned = plain(prototype.returns.to)
    if not returned or are_alike(declared, returned, engine):
        return
    yield Finding(
        kind=FindingKind.KFUNC_CHANGED,
        effect=Effect.WRONG_VALUE,
        place=place_of(item, calls[0], name),
        subject=f"{name}, return value",
        reason=f"{name}() returns {prototype.returns.text}, and the object takes it "
        f"for struct {declared} *; the kernel has {prototype_text(name, prototype)}",
        cure=f"declare both, the other one as extern … {name}___other(…) __ksym "
        "__weak, and call the one for which the kernel has the struct: "
        f"bpf_core_type_exists(struct {declared})",
    )


def _struct_returned(item: BpfObject, extern: Extern) -> str:
    """Return the struct that an object says a function returns; empty for others."""
    btf = item.btf
    prototype = btf.type(extern.type_id)
    if prototype.kind is not Kind.FUNC_PROTO or not prototype.refers_to:
        return ""
    pointer = btf.resolved(prototype.refers_to)
    if pointer.kind is not Kind.PTR or not pointer.refers_to:
        return ""
    struct = btf.resolved(pointer.refers_to)
    return plain(struct.name) if struct.kind in (*COMPOSITES, Kind.FWD) else ""
