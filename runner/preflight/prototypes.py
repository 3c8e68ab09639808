"""Prototypes of a kernel's functions, as C writes them."""

from collections.abc import Iterable

from runner.preflight.arguments import AttachedProgram, Holder
from runner.preflight.engine import Engine, PrototypeAnswer, SlotAnswer


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
