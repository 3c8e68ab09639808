"""Observed and expected values as a reader should see them."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from pydantic import JsonValue

from runner.results import Match, Mismatch
from runner.text.nearest import near

# A value, or its bytes where it is judged raw or has no BTF.
Observed = JsonValue | bytes

# Characters of a value that a message shows, and how many of them stand before the
# first one that differs.
_LENGTH = 160
_BEFORE = 60

# How many names or keys a message lists.
_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class ValueDifference:
    """A part of a value that is not as expected."""

    # How to get to the part: "", "corner.x", "[2]".
    path: str = ""
    expected: str
    observed: str


def show(value: Observed) -> str:
    """Return a value as JSON, or bytes as "0x01 0x02"."""
    if isinstance(value, bytes):
        return " ".join(f"0x{byte:02x}" for byte in value) or "no bytes"
    return json.dumps(value, ensure_ascii=False)


def join(path: str, more: str) -> str:
    """Return "corner.x" for "corner" and "x", "sizes[2]" for "sizes" and "[2]"."""
    if not path or not more or more.startswith("["):
        return path + more
    return f"{path}.{more}"


def mismatch(
    subject: str, difference: ValueDifference, *, key: str = "", field: str = ""
) -> Mismatch:
    """Return a difference as a mismatch; long values are cut where they are equal."""
    expected, observed = shorten(difference.expected, difference.observed)
    return Mismatch(
        subject=subject,
        key=key,
        field=join(field, difference.path),
        expected=expected,
        observed=observed,
    )


def match(
    subject: str, expected: str, observed: str, *, key: str = "", field: str = ""
) -> Match:
    """Return what was as expected; long values are cut behind their beginning."""
    return Match(
        subject=subject,
        key=_window(key, 0),
        field=field,
        expected=_window(expected, 0),
        observed=_window(observed, 0),
    )


def shorten(first: str, second: str) -> tuple[str, str]:
    """Cut two long texts, keeping what is around their first difference."""
    same = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        same += 1
    return _window(first, same), _window(second, same)


def _window(text: str, position: int) -> str:
    if len(text) <= _LENGTH:
        return text
    # A text that ends where the other goes on shows its end.
    start = min(max(0, position - _BEFORE), len(text) - _LENGTH)
    end = start + _LENGTH
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def listing(values: Collection[str]) -> str:
    """Return "a, b, c", or the first ones and how many there are."""
    shown = [_window(value, 0) for value in list(values)[:_LISTED]]
    if len(values) > _LISTED:
        return f"{', '.join(shown)}, … ({len(values)} in all)"
    return ", ".join(shown)


def no_such(kind: str, name: str, names: Collection[str]) -> str:
    """Return "no such map; did you mean 'tasks'?", or which ones there are."""
    there = f"there are {listing(names) or 'none'}"
    return f"no such {kind}{near(name, names, there)}"
