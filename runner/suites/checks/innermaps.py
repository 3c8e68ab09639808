"""The map that is meant in a map of maps, by what was read of that.

User space reads the ids of those in it, from 4.13 on (14dc6f04f49d).
"""

from pydantic import JsonValue

from runner.bpf.bpftool import MapDump, MapRow
from runner.suites.checks.equality import number
from runner.suites.checks.maps import key_matches, key_of
from runner.suites.checks.paths import NoSuchPathError
from runner.suites.checks.text import listing, show

# As libbpf names their types.
OF_MAPS = ("array_of_maps", "hash_of_maps")
# Bytes of integers.
_NUMBERS = (1, 2, 4, 8)


def id_in(dump: MapDump, key: JsonValue, type_: str) -> int:
    """Return the id of the map that a map of maps has at a key.

    `dump` is what was read of the map of maps, and `type_` its type as libbpf names it;
    empty if nobody knows. Raises NoSuchPathError that says what there is instead.
    """
    if type_ and type_ not in OF_MAPS:
        raise NoSuchPathError(f"no inner maps: it is of type {type_}; leave out inner")
    # bpftool shows no row for an empty slot, or one with an error.
    rows = [row for row in dump.rows if not row.error]
    there = listing([_shown_key(row) for row in rows])
    # Where nothing formats keys, one that is no number has to be written as bytes.
    matching = [row for row in rows if key_matches(key, row, raw=True)]
    if not matching:
        others = f"there are some at {there}" if there else "there are none at all"
        raise NoSuchPathError(f"no inner map at {show(key)}; {others}")
    if len(matching) > 1:
        several = listing([_shown_key(row) for row in matching])
        raise NoSuchPathError(f"{len(matching)} inner maps that match: {several}")
    (row,) = matching
    read = row.value if row.formatted_value is None else row.formatted_value
    id_ = number(read)
    if id_ is None:
        raise NoSuchPathError(f"no id of an inner map, but {show(read)}")
    return id_


def _shown_key(row: MapRow) -> str:
    # Nothing formats those of maps that a command has loaded: most are numbers.
    key = key_of(row)
    is_number = isinstance(key, bytes) and len(key) in _NUMBERS
    return show(number(key) if is_number else key)
