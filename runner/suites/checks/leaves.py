"""What there is to compare in rows of the normal form: their innermost values."""

from collections.abc import Iterable, Iterator

from pydantic import JsonValue

# What stands in the place of a value that only has to be there.
ANY = "${any}"


def has_compared(rows: Iterable[JsonValue]) -> bool:
    """Whether rows have a value that can differ, and not only has to be there."""
    return any(_is_compared(it) for row in rows for it in of(row))


def of(value: JsonValue) -> Iterator[JsonValue]:
    """Yield the innermost values; empty structs and lists have none."""
    if isinstance(value, dict):
        value = [*value.values()]
    if not isinstance(value, list):
        yield value
        return
    for inner in value:
        yield from of(inner)


def _is_compared(leaf: JsonValue) -> bool:
    if not isinstance(leaf, str) or ANY not in leaf:
        return True
    # A program's own text has a second dollar there, which stays.
    return bool(leaf.replace(ANY, "").strip())
