"""Judge the rows of a map, in any order."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from runner.bpf.bpftool import MapDump, MapRow
from runner.results import Match, Mismatch
from runner.suites.checks.equality import equal
from runner.suites.checks.mapplaces import subject
from runner.suites.checks.maps import key_matches, key_of
from runner.suites.checks.text import (
    Observed,
    ValueDifference,
    match,
    mismatch,
    show,
)
from runner.suites.model import RowsExpectation
from runner.suites.references import resolve

Expected = dict[Literal["key", "value"], JsonValue]

# Rows that are distinguished; the rest is counted.
_MOST = 10


def check(
    expectation: RowsExpectation, dump: MapDump, namespace: Mapping[str, JsonValue]
) -> list[Mismatch]:
    """Return the rows that are missing, differ, or are too many."""
    expected: list[Expected] = [
        {part: resolve(value, namespace) for part, value in row.items()}
        for row in expectation.rows
    ]
    pairs = _pair(expected, dump.rows)
    missing = [row for index, row in enumerate(expected) if index not in pairs]
    taken = set(pairs.values())
    left = [row for index, row in enumerate(dump.rows) if index not in taken]

    found = []
    where = subject(expectation, namespace)
    for row in missing:
        other = _with_key(row, left)
        if other is not None:
            left.remove(other)
        found.append(_missing(where, row, other))
    if expectation.match == "exactly":
        found += [_surplus(where, row) for row in left]
    if len(found) <= _MOST:
        return found
    more = f"{len(found) - _MOST} more rows that differ"
    note = Mismatch(subject=where, expected="no more rows that differ", observed=more)
    return [*found[:_MOST], note]


def evidence(
    expectation: RowsExpectation, dump: MapDump, namespace: Mapping[str, JsonValue]
) -> list[Match]:
    """Return the rows that an expectation that holds is about, up to a few."""
    expected: list[Expected] = [
        {part: resolve(value, namespace) for part, value in row.items()}
        for row in expectation.rows
    ]
    where = subject(expectation, namespace)
    if not expected:
        return [match(where, "no rows", f"{len(dump.rows) or 'no'} rows")]
    found = []
    for index, at in sorted(_pair(expected, dump.rows).items())[:_MOST]:
        row, wanted = dump.rows[at], expected[index]
        value = show(wanted["value"]) if "value" in wanted else "any value"
        found.append(match(where, value, _text_of(row), key=show(key_of(row))))
    return found


def _pair(expected: Sequence[Expected], observed: Sequence[MapRow]) -> dict[int, int]:
    """Give as many expected rows as possible an observed row of their own.

    Keys may be named in part, so an expected row can fit several; a row that another
    one holds is handed on where that one fits elsewhere (augmenting paths).
    """
    fitting = [
        [index for index, row in enumerate(observed) if _fits(wanted, row)]
        for wanted in expected
    ]
    holder: dict[int, int] = {}

    def place(wanted: int, tried: set[int]) -> bool:
        for index in fitting[wanted]:
            if index in tried:
                continue
            tried.add(index)
            if index not in holder or place(holder[index], tried):
                holder[index] = wanted
                return True
        return False

    for wanted in range(len(expected)):
        place(wanted, set())
    return {wanted: index for index, wanted in holder.items()}


def _fits(expected: Expected, row: MapRow) -> bool:
    if "key" in expected and not key_matches(expected["key"], row):
        return False
    return "value" not in expected or _has_value(expected["value"], row)


def _has_value(expected: JsonValue, row: MapRow) -> bool:
    if row.error:
        return False
    if not row.cpus:
        return equal(expected, _value(row.value, row.formatted_value))
    return (
        isinstance(expected, list)
        and len(expected) == len(row.cpus)
        and all(
            equal(one, _value(cpu.data, cpu.formatted))
            for one, cpu in zip(expected, row.cpus, strict=True)
        )
    )


def _value(data: bytes, formatted: JsonValue) -> Observed:
    return data if formatted is None else formatted


def _with_key(expected: Expected, rows: Sequence[MapRow]) -> MapRow | None:
    if "key" not in expected:
        return None
    return next((row for row in rows if key_matches(expected["key"], row)), None)


def _missing(subject: str, expected: Expected, other: MapRow | None) -> Mismatch:
    value = show(expected["value"]) if "value" in expected else "any value"
    difference = ValueDifference(
        expected=f"a row with {value}",
        observed="no such row" if other is None else f"a row with {_text_of(other)}",
    )
    key = show(expected["key"]) if "key" in expected else ""
    return mismatch(subject, difference, key=key)


def _surplus(subject: str, row: MapRow) -> Mismatch:
    difference = ValueDifference(
        expected="no such row", observed=f"a row with {_text_of(row)}"
    )
    return mismatch(subject, difference, key=show(key_of(row)))


def _text_of(row: MapRow) -> str:
    if row.error:
        return f"a value that can't be read: {row.error}"
    if not row.cpus:
        return show(_value(row.value, row.formatted_value))
    values = (show(_value(cpu.data, cpu.formatted)) for cpu in row.cpus)
    return f"[{', '.join(values)}]"
