"""Rows that a map begins with, as the bytes that a loader would write."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from runner.bpf.btf import Btf
from runner.case import variables
from runner.errors import UsageError
from runner.guest.objectsettings import FilledRow
from runner.suites.checks.text import no_such
from runner.suites.model import Case

_MAPS = ".maps"


def encoded(
    btf: Btf, name: str, rows: Sequence[Mapping[str, JsonValue]]
) -> list[FilledRow]:
    """Return a map's rows. Raises UsageError for what they can't be."""
    types = _types(btf, name)
    return [
        FilledRow(
            key=_part(btf, types, "key", row, f"maps.{name}.rows[{number}]"),
            value=_part(btf, types, "value", row, f"maps.{name}.rows[{number}]"),
        )
        for number, row in enumerate(rows)
    ]


def of_case(case: Case) -> Iterator[tuple[str, list[dict[str, JsonValue]]]]:
    """Yield the maps that a case fills, with the rows as the suite has them."""
    for name, it in case.maps.items():
        if it.rows:
            yield (
                name,
                [{str(part): value for part, value in row.items()} for row in it.rows],
            )


def _types(btf: Btf, name: str) -> dict[str, int]:
    """Return the types of a map's key and value, as far as it is said."""
    known = {
        found: type_
        for section in btf.sections()
        if section.name == _MAPS
        for found, type_ in btf.variables(section)
    }
    if name not in known:
        raise UsageError(f"maps: {name!r}: {no_such('map', name, sorted(known))}")
    return {
        it.name: btf.resolved(it.type_id).refers_to
        for it in btf.members(btf.resolved(known[name]))
        if it.name in ("key", "value")
    }


def _part(
    btf: Btf,
    types: Mapping[str, int],
    part: str,
    row: Mapping[str, JsonValue],
    at: str,
) -> bytes:
    if part not in types:
        raise UsageError(f"{at}: the object does not say the type of the map's {part}")
    if part not in row:
        raise UsageError(f"{at}: a row needs a key and a value")
    return variables.encode(btf, types[part], row[part], f"{at}.{part}")
