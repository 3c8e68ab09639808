"""Equality between what a suite writes and what bpftool prints for it."""

import re

from pydantic import JsonValue

from runner.arch.model import ByteOrder
from runner.bpf.bpftool import BigEndian
from runner.suites.checks.text import Observed, ValueDifference, join, show

_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_BYTES = re.compile(r"(0x)?[0-9a-fA-F]{2}(\s+(0x)?[0-9a-fA-F]{2})*")
_ENUMERATOR = re.compile(r"[A-Za-z_]\w*")

# Parts of one value that are distinguished; the rest is counted.
_MOST = 5


def number(value: Observed) -> int | None:
    """Return the number that a value means, or None.

    bpftool prints bit-fields and 128-bit integers as text, "0x1f". Bytes are an
    unsigned number in the kernel's byte order.
    """
    if isinstance(value, int):
        return int(value)
    if isinstance(value, bytes):
        return int.from_bytes(value, _order(value)) if value else None
    if isinstance(value, str):
        if _HEXADECIMAL.fullmatch(value):
            return int(value, 16)
        # What a char array holds, against a truth that reads as a number.
        if value.isdecimal() and len(value) < 40 and str(int(value)) == value:
            return int(value)
    return None


def _order(value: bytes) -> ByteOrder:
    return "big" if isinstance(value, BigEndian) else "little"


def text(value: Observed) -> str | None:
    """Return the text that a value means, or None.

    bpftool prints a char array as text only when it is printable and ends in a NUL,
    else as numbers.
    """
    if isinstance(value, str):
        return value
    characters = characters_of(value)
    if characters is None:
        return None
    return characters.partition(b"\0")[0].decode("utf-8", "replace")


def bytes_of(text: str) -> bytes | None:
    """Return the bytes that a text lists, "0x01 0x02", or None."""
    if not _BYTES.fullmatch(text.strip()):
        return None
    return bytes.fromhex(text.replace("0x", ""))


def equal(expected: JsonValue, observed: Observed) -> bool:
    """Whether an observed value is the expected one."""
    return not differences(expected, observed)


def differences(expected: JsonValue, observed: Observed) -> list[ValueDifference]:
    """Return where an observed value is not the expected one, part by part."""
    found = _differences("", expected, observed)
    if len(found) <= _MOST:
        return found
    more = len(found) - _MOST
    note = ValueDifference(expected="no more differences", observed=f"{more} more")
    return [*found[:_MOST], note]


def contains(expected: JsonValue, observed: Observed) -> bool:
    """Whether a value is the expected one; mappings may name some fields only."""
    if isinstance(expected, dict) and isinstance(observed, dict):
        return all(
            name in observed and contains(value, observed[name])
            for name, value in expected.items()
        )
    return equal(expected, observed)


def _differences(
    path: str, expected: JsonValue, observed: Observed
) -> list[ValueDifference]:
    if isinstance(expected, dict) and isinstance(observed, dict):
        found = []
        for name in [*expected, *(name for name in observed if name not in expected)]:
            inner = join(path, name)
            if name not in observed:
                found.append(_absent(inner, show(expected[name]), "no such field"))
            elif name not in expected:
                found.append(_absent(inner, "no such field", show(observed[name])))
            else:
                found += _differences(inner, expected[name], observed[name])
        return found
    if (
        isinstance(expected, list)
        and isinstance(observed, list)
        and len(expected) == len(observed)
    ):
        return [
            difference
            for index, (one, other) in enumerate(zip(expected, observed, strict=True))
            for difference in _differences(f"{path}[{index}]", one, other)
        ]
    if _same(expected, observed):
        return []
    return [
        ValueDifference(
            path=path, expected=show(expected), observed=_text_of(expected, observed)
        )
    ]


def _absent(path: str, expected: str, observed: str) -> ValueDifference:
    return ValueDifference(path=path, expected=expected, observed=observed)


def _text_of(expected: JsonValue, observed: Observed) -> str:
    shown = show(observed)
    if isinstance(observed, bytes):
        return shown
    if isinstance(expected, int) and isinstance(observed, str):
        if _ENUMERATOR.fullmatch(observed):
            return f"{shown} (bpftool shows enums by name)"
        if _HEXADECIMAL.fullmatch(observed):
            return f"{shown} ({int(observed, 16)})"
    return shown


def _same(expected: JsonValue, observed: Observed) -> bool:
    if isinstance(observed, bytes):
        return _same_bytes(expected, observed)
    # A bool is an int: true is 1, as in C.
    if isinstance(expected, int):
        return number(observed) == int(expected)
    if isinstance(expected, str) and isinstance(observed, list):
        characters = characters_of(observed)
        return (
            characters is not None
            and characters.partition(b"\0")[0] == expected.encode()
        )
    if isinstance(expected, list) and isinstance(observed, str):
        return _same_characters(expected, observed.encode())
    return expected == observed


def _same_bytes(expected: JsonValue, observed: bytes) -> bool:
    if isinstance(expected, int):
        try:
            return observed == int(expected).to_bytes(
                len(observed), _order(observed), signed=expected < 0
            )
        except OverflowError:
            return False
    if isinstance(expected, str):
        return observed == bytes_of(expected)
    if isinstance(expected, list):
        return observed == characters_of(expected)
    return False


def _same_characters(expected: list[JsonValue], observed: bytes) -> bool:
    # Text ends before a NUL; what comes after it is not shown and taken for zeros.
    characters = characters_of(expected)
    return (
        characters is not None
        and len(characters) > len(observed)
        and characters.rstrip(b"\0") == observed
    )


def characters_of(value: Observed) -> bytes | None:
    """Return a list of signed or unsigned byte values as bytes."""
    if not isinstance(value, list):
        return None
    characters = bytearray()
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int):
            return None
        if not -128 <= item <= 255:
            return None
        characters.append(item & 0xFF)
    return bytes(characters)
