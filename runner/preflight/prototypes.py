"""Prototypes of a kernel's functions, as C writes them."""

from runner.preflight.engine import PrototypeAnswer, SlotAnswer


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
