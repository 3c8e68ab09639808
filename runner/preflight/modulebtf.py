"""Modules whose BTF does not fit, and the objects that libbpf gives up on for that."""

from collections.abc import Iterator, Sequence, Set

from runner.bpf.kinds import RelocationKind
from runner.facts.model import Presence
from runner.preflight.engine import Engine, LocalAnswer
from runner.preflight.features import found_by_btf
from runner.preflight.model import Feature, KernelNeed
from runner.preflight.rules import Code

# Relocations that are about the object's own types.
_OWN = (RelocationKind.LOCAL_TYPE_ID,)
# What is looked for by name in the kernel's BTF, and then in that of each module.
_BY_NAME = (KernelNeed.KFUNC, KernelNeed.KSYM, KernelNeed.ATTACH_TARGET)


def given_up(
    code: Code,
    locals_: Sequence[LocalAnswer],
    skipped: Set[str],
    needs: Sequence[Feature],
    modules: Sequence[str],
    engine: Engine,
) -> tuple[str, ...]:
    """Return why libbpf does not load an object because of a module's BTF.

    It reads the BTFs of all modules as soon as the kernel's own lacks one name, and
    fails if it can't read one (load_module_btfs() in libbpf.c). What the kernel has
    itself is found before that. What libbpf reads and does not fit, the kernel has
    refused: its types are just not there. `skipped` are programs that are not loaded,
    `modules` the names of the target's modules.
    """
    broken = engine.target.broken
    if not broken:
        return ()
    unread = [it for it in broken if not it.parsed]
    if unread:
        searched = list(dict.fromkeys(_searched(code, locals_, skipped, engine)))
        if not searched:
            return ()
        return tuple(
            f"libbpf looks through modules for {', '.join(searched)}, and can't read "
            f"the BTF of {_name(modules, it.module)}, which {it.problem}"
            for it in unread
        )
    absent = [
        it.name
        for it in needs
        if it.need in _BY_NAME and it.presence is Presence.ABSENT and it.stops_loading
    ]
    if not absent:
        return ()
    return tuple(
        f"{', '.join(absent)} may be in {_name(modules, it.module)}, whose BTF does "
        f"not fit this kernel: {it.problem}"
        for it in broken
    )


def _name(modules: Sequence[str], number: int) -> str:
    return modules[number] if number < len(modules) else f"module {number}"


def _searched(
    code: Code, locals_: Sequence[LocalAnswer], skipped: Set[str], engine: Engine
) -> Iterator[str]:
    """Yield the names that the kernel's own BTF lacks."""
    roots = [
        local.root.name.partition("___")[0]
        for record, local in zip(code.item.relocations, locals_, strict=True)
        if local.root is not None
        and record.kind not in _OWN
        and record.function.name not in skipped
    ]
    externs = [it for it in code.externs if it.is_function or it.type_id]
    types = list(
        dict.fromkeys([*roots, *(it.name for it in externs if not it.is_function)])
    )
    if types:
        for name, found in zip(types, engine.find(types), strict=True):
            if name and not any(id_ < engine.target.types for id_, _ in found):
                yield name
    functions = list(
        dict.fromkeys(
            [*(it.name for it in externs if it.is_function), *found_by_btf(code)]
        )
    )
    if functions:
        there = engine.functions(functions, own=True)
        yield from (
            it for it, is_own in zip(functions, there, strict=True) if not is_own
        )
