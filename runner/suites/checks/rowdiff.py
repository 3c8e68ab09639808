"""How rows in their normal form differ from others."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from runner.results import Mismatch
from runner.suites.checks.normal import canonical
from runner.suites.checks.text import join, shorten, show

# Differences that are shown; the rest is counted.
_MOST = 10
_NO_ROW = "no such row"


def differences(
    subject: str, expected: Sequence[JsonValue], observed: Sequence[JsonValue]
) -> list[Mismatch]:
    """Return how rows differ, part by part; nothing only for rows that are the same."""
    has_keys = any(
        isinstance(it, dict) and "key" in it for it in [*expected, *observed]
    )
    compare = _by_key if has_keys else _by_place
    found = list(compare(subject, expected, observed))
    if len(found) <= _MOST:
        return found
    more = f"{len(found) - _MOST} more differences"
    note = Mismatch(subject=subject, expected="no more differences", observed=more)
    return [*found[:_MOST], note]


def _by_key(
    subject: str, expected: Sequence[JsonValue], observed: Sequence[JsonValue]
) -> Iterator[Mismatch]:
    lone = _Lone(subject, expected, observed)
    missing, surplus = _without(expected, observed), _without(observed, expected)
    for row in missing:
        other = next((it for it in surplus if _has_key_of(row, it)), None)
        if other is None:
            yield from lone.missing(_key(row), row)
            continue
        surplus.remove(other)
        yield from _parts(subject, _key(row), row, other)
    for row in surplus:
        yield from lone.surplus(_key(row), row)


def _by_place(
    subject: str, expected: Sequence[JsonValue], observed: Sequence[JsonValue]
) -> Iterator[Mismatch]:
    lone = _Lone(subject, expected, observed)
    matcher = difflib.SequenceMatcher(
        None,
        [canonical(it) for it in expected],
        [canonical(it) for it in observed],
        autojunk=False,
    )
    for tag, begin, end, other_begin, other_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        gone, come = expected[begin:end], observed[other_begin:other_end]
        single = len(expected) == len(observed) == 1
        for offset in range(max(len(gone), len(come))):
            place = "" if single else f"row {other_begin + offset + 1}"
            if offset < min(len(gone), len(come)):
                yield from _parts(subject, place, gone[offset], come[offset])
            elif offset < len(gone):
                yield from lone.missing(place, gone[offset])
            else:
                yield from lone.surplus(place, come[offset])


class _Lone:
    """Tells of rows that have no partner among the others."""

    def __init__(
        self,
        subject: str,
        expected: Sequence[JsonValue],
        observed: Sequence[JsonValue],
    ) -> None:
        self._subject = subject
        self._expected = Counter(map(canonical, expected))
        self._observed = Counter(map(canonical, observed))
        self._told: set[str] = set()

    def missing(self, place: str, row: JsonValue) -> Iterator[Mismatch]:
        """Yield how an expected row is not there, or not as often."""
        words = (_row_in_words(row), _NO_ROW)
        yield from self._by_times(place, row) or [self._mismatch(place, *words)]

    def surplus(self, place: str, row: JsonValue) -> Iterator[Mismatch]:
        """Yield how a row is there that is not expected, or not as often."""
        words = (_NO_ROW, _row_in_words(row))
        yield from self._by_times(place, row) or [self._mismatch(place, *words)]

    def _by_times(self, place: str, row: JsonValue) -> Iterator[Mismatch] | None:
        """Return the difference, once, of a row that others have, too; else None."""
        text = canonical(row)
        expected, observed = self._expected[text], self._observed[text]
        if not expected or not observed or expected == observed:
            return None
        if text in self._told:
            return iter(())
        self._told.add(text)
        words = f"{_row_in_words(row)} {_times(expected)}"
        return iter([self._mismatch(place, words, _times(observed))])

    def _mismatch(self, place: str, expected: str, observed: str) -> Mismatch:
        return _mismatch(self._subject, place, "", expected, observed)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _without(rows: Sequence[JsonValue], others: Sequence[JsonValue]) -> list[JsonValue]:
    """Return the rows that others lack; equal ones as often as they are too many."""
    left = Counter(map(canonical, others))
    found = []
    for row in rows:
        text = canonical(row)
        if left[text]:
            left[text] -= 1
        else:
            found.append(row)
    return found


def _has_key_of(row: JsonValue, other: JsonValue) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(other, dict)
        and "key" in row
        and "key" in other
        and canonical(row["key"]) == canonical(other["key"])
    )


def _parts(
    subject: str, key: str, expected: JsonValue, observed: JsonValue
) -> Iterator[Mismatch]:
    for path, one, other in _walk("", expected, observed):
        inner = path.removeprefix("value").removeprefix(".")
        yield _mismatch(subject, key, inner, one, other)


def _walk(
    path: str, expected: JsonValue, observed: JsonValue
) -> Iterator[tuple[str, str, str]]:
    """Yield the innermost parts that differ, strictly: 1 is not true, nor "0x1"."""
    if isinstance(expected, dict) and isinstance(observed, dict):
        for name in dict.fromkeys([*expected, *observed]):
            inner = join(path, name)
            if name not in observed:
                yield inner, show(expected[name]), "no such field"
            elif name not in expected:
                yield inner, "no such field", show(observed[name])
            else:
                yield from _walk(inner, expected[name], observed[name])
    elif (
        isinstance(expected, list)
        and isinstance(observed, list)
        and len(expected) == len(observed)
    ):
        for index, (one, other) in enumerate(zip(expected, observed, strict=True)):
            yield from _walk(f"{path}[{index}]", one, other)
    elif canonical(expected) != canonical(observed):
        yield path, show(expected), show(observed)


def _key(row: JsonValue) -> str:
    return show(row["key"]) if isinstance(row, dict) and "key" in row else ""


def _row_in_words(row: JsonValue) -> str:
    if isinstance(row, dict) and "value" in row:
        return f"a row with {show(row['value'])}"
    if isinstance(row, dict) and row.keys() == {"key"}:
        return "a row"
    return f"a row {show(row)}"


def _mismatch(
    subject: str, key: str, field: str, expected: str, observed: str
) -> Mismatch:
    expected, observed = shorten(expected, observed)
    return Mismatch(
        subject=subject, key=key, field=field, expected=expected, observed=observed
    )
