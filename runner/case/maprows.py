"""Rows that a map begins with, as the bytes that a loader would write."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from runner.bpf import mapdefinitions
from runner.bpf.btf import Btf
from runner.case import variables
from runner.errors import UsageError
from runner.guest.objectsettings import FilledRow
from runner.suites.checks.text import no_such
from runner.suites.model import Case


def encoded(
    btf: Btf,
    name: str,
    rows: Sequence[Mapping[str, JsonValue]],
    *,
    early: bool = False,
) -> list[FilledRow]:
    """Return a map's rows; `early` is before the guest knows what references are.

    Raises UsageError for what they can't be.
    """
    types = _types(btf, name)
    return [
        FilledRow(
            key=_part(btf, types, "key", row, at, early=early),
            value=_part(btf, types, "value", row, at, early=early),
        )
        for number, row in enumerate(rows)
        for at in (f"maps.{name}.rows[{number}]",)
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
    known = mapdefinitions.of_object(btf)
    if name not in known:
        raise UsageError(f"maps: {name!r}: {no_such('map', name, sorted(known))}")
    types = {"key": known[name].key, "value": known[name].value}
    return {part: type_ for part, type_ in types.items() if type_ is not None}


def _part(
    btf: Btf,
    types: Mapping[str, int],
    part: str,
    row: Mapping[str, JsonValue],
    at: str,
    *,
    early: bool,
) -> bytes:
    if part not in types:
        raise UsageError(f"{at}: the object does not say the type of the map's {part}")
    if part not in row:
        raise UsageError(f"{at}: a row needs a key and a value")
    return variables.encode(btf, types[part], row[part], f"{at}.{part}", early=early)
