"""What a kernel has that is called like what a program can't attach to there."""

import difflib
from collections.abc import Sequence

from runner.bpf.kinds import Kind
from runner.preflight.declared import Declared
from runner.preflight.engine import Engine, PrototypeAnswer, SlotAnswer

_MOST = 3
# How much names resemble each other, from 0 to 1, where arguments tell nothing.
_LIKE = 0.85
# Arguments that tell a function from others; one alone is like that of many.
_TELLING = 2


def near(
    name: str, kind: Kind, declared: Sequence[Declared], engine: Engine
) -> tuple[str, ...]:
    """Return the likeliest names, those with the arguments that are declared first.

    `name` is what the kernel's BTF would call it. Raises EngineError.
    """
    if kind is not Kind.FUNC:
        prefix, _, own = name.rpartition("btf_trace_")
        found = [it for it in engine.near(name) if it.startswith(f"{prefix}btf_trace_")]
        others = (it.removeprefix("btf_trace_") for it in found)
        return tuple(it for it in others if _likeness(own, it) >= _LIKE)[:_MOST]
    names = [it for it in engine.near(name, functions=True) if it != name]
    prototypes = engine.prototypes(names) if names else []
    same, alike = [], []
    for other, prototype in zip(names, prototypes, strict=True):
        if prototype is not None and _takes(prototype, declared):
            same.append(f"{other} (same arguments)")
        elif _likeness(name, other) >= _LIKE:
            alike.append(other)
    return tuple(same or alike)[:_MOST]


def _likeness(wanted: str, name: str) -> float:
    return difflib.SequenceMatcher(None, wanted, name).ratio()


def _takes(prototype: PrototypeAnswer, declared: Sequence[Declared]) -> bool:
    """Whether a function has the arguments that a program declares.

    It may declare what is returned, too, and leave out the last ones.
    """
    taken = prototype.parameters
    if len(declared) < _TELLING or len(taken) < _TELLING:
        return False
    if len(declared) > len(taken) + 1:
        return False
    pairs = zip(taken, declared, strict=False)
    return all(_is_same(slot, it) for slot, it in pairs)


def _is_same(slot: SlotAnswer, declared: Declared) -> bool:
    if declared.pointers:
        return slot.kind is Kind.PTR and slot.to == declared.to
    return slot.kind is not Kind.PTR and slot.size == declared.size
