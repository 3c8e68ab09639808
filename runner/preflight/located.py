"""Predictions that name a source from where the command was started."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from runner.files import sources
from runner.preflight.model import InstructionPlace, Prediction


def located(prediction: Prediction, old: str, new: str) -> Prediction:
    """Return a prediction in whose places and texts a source has another name.

    `old` is what the compiler was given in the source's folder.
    """
    if old == new:
        return prediction
    found: Prediction = _with(prediction, old, new)
    return found


def _with(value: Any, old: str, new: str) -> Any:
    # Enumerators are texts, too.
    if type(value) is str:
        return sources.renamed(value, old, new)
    if isinstance(value, tuple):
        return tuple(_with(it, old, new) for it in value)
    if isinstance(value, InstructionPlace):
        file = new if value.file.removeprefix("./") == old else value.file
        return replace(value, file=file)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed = {}
    for field in fields(value):
        before = getattr(value, field.name)
        after = _with(before, old, new)
        if after is not before:
            changed[field.name] = after
    return replace(value, **changed) if changed else value
