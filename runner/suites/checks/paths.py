"""Follow a path such as "last.sizes[2]" into a formatted value."""

import re

from pydantic import JsonValue

from runner.bpf.bpftool import UNSUPPORTED
from runner.suites.checks.text import listing, no_such, show
from runner.text.nearest import nearest

_INDEX = re.compile(r"\[(\d+)\]\.?")
_NAME = re.compile(r"[^.\[\]]+")


class NoSuchPathError(Exception):
    """There is nothing to judge; the message says what there is instead."""


def follow(value: JsonValue, path: str) -> JsonValue:
    """Return the member that a path leads to.

    Raises NotFoundError that names the step which leads nowhere.
    """
    rest = path
    while rest:
        value, rest = _step(value, rest)
    return value


def _step(value: JsonValue, rest: str) -> tuple[JsonValue, str]:
    index = _INDEX.match(rest)
    if index is not None:
        return _element(value, int(index[1])), rest[index.end() :]
    if not isinstance(value, dict):
        raise NoSuchPathError(
            f"no field {rest!r}; the value is {listing([show(value)])}"
        )
    # A static variable of a function has a dot in its name: "on_fork.count".
    names = [
        name
        for name in value
        if rest == name or rest.startswith((f"{name}.", f"{name}["))
    ]
    if not names:
        raise NoSuchPathError(_no_field(value, rest))
    name = max(names, key=len)
    return value[name], rest[len(name) :].removeprefix(".")


def _element(value: JsonValue, index: int) -> JsonValue:
    if isinstance(value, str) and index <= len(value):
        # A char array that is shown as text, with the NUL that ends it.
        return ord(value[index]) if index < len(value) else 0
    if not isinstance(value, list):
        raise NoSuchPathError(
            f"no element [{index}]; the value is {listing([show(value)])}"
        )
    if index >= len(value):
        raise NoSuchPathError(f"no element [{index}]; there are {len(value)}")
    return value[index]


def _no_field(value: dict[str, JsonValue], rest: str) -> str:
    name = _NAME.match(rest)
    wanted = name[0] if name else rest
    near = nearest(wanted, value)
    for field, inner in value.items():
        if inner == UNSUPPORTED and not near:
            return (
                f"no field {wanted!r}: bpftool stops at {field!r}, which it can't "
                "format; check the bytes with raw: true"
            )
    return no_such(f"field {wanted!r}", wanted, value)
