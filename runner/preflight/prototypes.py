"""Prototypes of a kernel's functions, as C writes them."""

from collections.abc import Iterable

from runner.bpf.btf import COMPOSITES
from runner.preflight.arguments import AttachedProgram, Holder
from runner.preflight.engine import Engine, PrototypeAnswer, SlotAnswer

# Structs in the first place of each other, as sock in inet_sock.
_DEEPEST = 12


def are_alike(one: str, other: str, engine: Engine) -> bool:
    """Tell whether a pointer to one struct may be taken for one to another.

    They are the same, or one begins with the other. Raises EngineError.
    """
    if one == other:
        return True
    return _begins_with(one, other, engine) or _begins_with(other, one, engine)


def _begins_with(outer: str, inner: str, engine: Engine) -> bool:
    """Tell whether a struct's first member is another, or begins with it."""
    (found,) = engine.find([outer])
    ids = [id_ for id_, kind in found if kind in COMPOSITES]
    if not ids:
        # The kernel has no such struct: who casts to it asked before.
        return False
    (type_,) = engine.types(ids[:1])
    for _ in range(_DEEPEST):
        if type_ is None or not type_.fields:
            return False
        (type_,) = engine.types([type_.fields[0].type])
        if type_ is not None and type_.name == inner:
            return True
    return False


def prototypes_of(
    attached: Iterable[AttachedProgram], engine: Engine
) -> dict[str, PrototypeAnswer | None]:
    """Return the prototypes of what programs attach to, by their holders' names.

    None for what the engine's target lacks. Raises EngineError.
    """
    holders = {it.holder_name: it.hook.holder for it in attached}
    functions, typedefs, members = (
        [name for name, it in holders.items() if it is holder] for holder in Holder
    )
    pairs = [(struct, member) for struct, _, member in map(_parts, members)]
    found = engine.prototypes(functions, typedefs, pairs)
    return dict(zip((*functions, *typedefs, *members), found, strict=True))


def _parts(name: str) -> tuple[str, str, str]:
    return name.partition(".")


def slot_text(slot: SlotAnswer) -> str:
    """Return a parameter, or what is returned: "struct inode *dir"."""
    if not slot.name:
        return slot.text
    space = "" if slot.text.endswith("*") else " "
    return f"{slot.text}{space}{slot.name}"


def prototype_text(
    name: str, prototype: PrototypeAnswer, *, skipped: int = 0, returns: bool = True
) -> str:
    """Return a prototype, without its first parameters if they are to be skipped."""
    inside = ", ".join(map(slot_text, prototype.parameters[skipped:])) or "void"
    if not returns:
        return f"{name}({inside})"
    text = prototype.returns.text
    space = "" if text.endswith("*") else " "
    return f"{text}{space}{name}({inside})"
