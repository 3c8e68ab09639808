"""Judge one value of a map."""

from collections.abc import Mapping

from pydantic import JsonValue

from runner.bpf.bpftool import CpuValue, MapDump, MapRow
from runner.results import Match, Mismatch
from runner.suites.checks.equality import contains, equal, number
from runner.suites.checks.mapplaces import subject
from runner.suites.checks.matchers import as_read, in_words, judge
from runner.suites.checks.paths import NoSuchPathError, follow
from runner.suites.checks.text import (
    Observed,
    ValueDifference,
    listing,
    match,
    mismatch,
    show,
)
from runner.suites.model import MapExpectation
from runner.suites.references import resolve


def check(
    expectation: MapExpectation, dump: MapDump, namespace: Mapping[str, JsonValue]
) -> list[Mismatch]:
    """Return how a map's value is not as expected."""
    key = resolve(expectation.key, namespace)
    try:
        row = _find(dump, key, raw=expectation.raw)
        found = _judge(expectation, row, namespace)
    except NoSuchPathError as nothing:
        expected = in_words(expectation, namespace)
        found = [ValueDifference(expected=expected, observed=str(nothing))]
    return [
        mismatch(
            subject(expectation, namespace),
            difference,
            key=_shown_key(key, expectation.cpu),
            field=expectation.field or "",
        )
        for difference in found
    ]


def evidence(
    expectation: MapExpectation, dump: MapDump, namespace: Mapping[str, JsonValue]
) -> Match:
    """Return what was read for an expectation that holds."""
    key = resolve(expectation.key, namespace)
    row = _find(dump, key, raw=expectation.raw)
    return match(
        subject(expectation, namespace),
        in_words(expectation, namespace),
        _read(expectation, row),
        key=_shown_key(key, expectation.cpu),
        field=expectation.field or "",
    )


def key_of(row: MapRow) -> Observed:
    """Return a row's key, formatted where there is BTF."""
    return row.key if row.formatted_key is None else row.formatted_key


def key_matches(expected: JsonValue, row: MapRow, *, raw: bool = False) -> bool:
    """Whether a row has a key; a mapping may name some of the key's fields only."""
    if contains(expected, key_of(row)):
        return True
    return raw and equal(expected, row.key)


def _shown_key(key: JsonValue, cpu: int | str | None) -> str:
    shown = "" if key is None else show(key)
    if cpu is None:
        return shown
    where = {"sum": "sum of all CPUs", "any": "any CPU"}.get(str(cpu), f"CPU {cpu}")
    return f"{shown} ({where})"


def _find(dump: MapDump, key: JsonValue, *, raw: bool) -> MapRow:
    if not dump.rows:
        raise NoSuchPathError("no such key; the map is empty")
    keys = [show(key_of(row)) for row in dump.rows]
    if key is None:
        # Global data is a map of one row.
        if len(dump.rows) > 1:
            raise NoSuchPathError(f"{len(keys)} rows; set a key of {listing(keys)}")
        return dump.rows[0]
    matching = [row for row in dump.rows if key_matches(key, row, raw=raw)]
    if not matching:
        raise NoSuchPathError(f"no such key; keys are {listing(keys)}")
    if len(matching) > 1:
        several = listing([show(key_of(row)) for row in matching])
        raise NoSuchPathError(f"{len(matching)} keys that match: {several}")
    return matching[0]


def _judge(
    expectation: MapExpectation, row: MapRow, namespace: Mapping[str, JsonValue]
) -> list[ValueDifference]:
    if row.error:
        raise NoSuchPathError(f"a value that can't be read: {row.error}")
    cpu = expectation.cpu
    if not row.cpus:
        if cpu is not None:
            raise NoSuchPathError("one value for all CPUs; this is not a per-CPU map")
        value = _part(expectation, row.value, row.formatted_value)
        return judge(expectation, value, namespace)
    values = {item.cpu: _part_of_cpu(expectation, item) for item in row.cpus}
    if cpu is None:
        raise NoSuchPathError("one value per CPU; set cpu: N, cpu: sum or cpu: any")
    if cpu == "sum":
        return judge(expectation, _sum(values), namespace)
    if cpu == "any":
        if any(not judge(expectation, value, namespace) for value in values.values()):
            return []
        raise NoSuchPathError(_each(values))
    if cpu not in values:
        raise NoSuchPathError(
            f"no CPU {cpu}; there are {listing([str(c) for c in values])}"
        )
    return judge(expectation, values[cpu], namespace)


def _read(expectation: MapExpectation, row: MapRow) -> str:
    """Return a row's value, or that of the CPUs that an expectation names."""
    if not row.cpus:
        value = _part(expectation, row.value, row.formatted_value)
        return as_read(expectation, value)
    values = {item.cpu: _part_of_cpu(expectation, item) for item in row.cpus}
    match expectation.cpu:
        case int():
            return as_read(expectation, values[expectation.cpu])
        case "sum":
            return as_read(expectation, _sum(values))
        case _:
            return _each(values)


def _part_of_cpu(expectation: MapExpectation, value: CpuValue) -> Observed:
    return _part(expectation, value.data, value.formatted)


def _part(expectation: MapExpectation, data: bytes, formatted: JsonValue) -> Observed:
    if expectation.field is None:
        return data if expectation.raw or formatted is None else formatted
    if formatted is None:
        raise NoSuchPathError(
            f"bytes without fields, as the map has no BTF: {show(data)}"
        )
    return follow(formatted, expectation.field)


def _sum(values: Mapping[int, Observed]) -> int:
    numbers = [number(value) for value in values.values()]
    if None in numbers:
        raise NoSuchPathError(f"values that can't be added: {_each(values)}")
    return sum(found for found in numbers if found is not None)


def _each(values: Mapping[int, Observed]) -> str:
    return listing([f"CPU {cpu}: {show(value)}" for cpu, value in values.items()])
