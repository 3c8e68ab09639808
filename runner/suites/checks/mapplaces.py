"""Which map an expectation is about: one of the object, or one in a map of maps."""

from collections.abc import Mapping

from pydantic import JsonValue

from runner.suites.checks.text import show
from runner.suites.comparable import Compared
from runner.suites.model import MapExpectation, RowsExpectation, ShowExpectation
from runner.suites.references import resolve

# A map of maps by its name, and the key in it, as `show` has it.
Place = tuple[str, str]
# What is about a map, or may be.
Looking = MapExpectation | RowsExpectation | ShowExpectation | Compared


def place(expectation: Looking, namespace: Mapping[str, JsonValue]) -> Place | None:
    """Return which map in a map of maps is meant; None for one of the object's own.

    Raises UsageError for a reference that names nothing.
    """
    if expectation.inner is None or expectation.map is None:
        return None
    return expectation.map, show(resolve(expectation.inner, namespace))


def subject(expectation: Looking, namespace: Mapping[str, JsonValue]) -> str:
    """Return what messages call the map: "map flows", "map by_size, inner map 1"."""
    found = place(expectation, namespace)
    words = f"map {expectation.map}"
    return words if found is None else f"{words}, inner map {found[1]}"
