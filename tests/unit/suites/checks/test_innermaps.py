"""Expectations on what lies in a map of a map of maps."""

from typing import Any

import pytest
from pydantic import JsonValue, TypeAdapter

from runner.bpf.bpftool import BigEndian, MapDump, MapRow
from runner.suites.checks import Observations, innermaps, not_available
from runner.suites.checks.evidence import Judged, judge_all
from runner.suites.checks.paths import NoSuchPathError
from runner.suites.model import Expectation

NAMESPACE: dict[str, JsonValue] = {"udp": {"pid": 7}}


def row(key: int, value: int) -> MapRow:
    return MapRow(
        key=key.to_bytes(4, "little"),
        value=value.to_bytes(4, "little"),
        formatted_key=key,
        formatted_value=value,
    )


# What bpftool shows of one that a command has loaded: libbpf gives it no BTF.
OUTER = MapDump(
    rows=(
        MapRow(key=bytes(4), value=b"\x0b\0\0\0"),
        MapRow(key=b"\x02\0\0\0", value=b"\x0c\0\0\0"),
        MapRow(key=b"\x03\0\0\0", error="No such file or directory"),
    )
)
OBSERVED = Observations(
    maps={"outer": OUTER, "plain": MapDump(rows=(row(0, 1),))},
    inner={
        ("outer", "0"): MapDump(rows=(row(7, 40),)),
        ("outer", "2"): MapDump(rows=(row(7, 400), row(8, 1))),
        ("outer", "3"): "no inner map at 3; there are some at 0, 2",
    },
    shows={("map", "outer"): {"id": 3, "type": "array_of_maps"}},
    inner_shows={
        ("outer", "0"): {"id": 11, "type": "hash"},
        ("outer", "3"): "no inner map at 3; there are some at 0, 2",
    },
)


def expectation(**keys: Any) -> Expectation:
    # Lax, because a suite's lists are tuples.
    return TypeAdapter[Expectation](Expectation).validate_python(keys, strict=False)


def judged(observed: Observations = OBSERVED, **keys: Any) -> Judged:
    return judge_all([expectation(map="outer", **keys)], observed, NAMESPACE)


def test_the_value_is_that_of_the_inner_map() -> None:
    first = judged(inner=0, key="${udp.pid}", equals=40)
    other = judged(inner=2, key="${udp.pid}", equals=400)

    assert not first.mismatches
    assert not other.mismatches
    (match,) = other.matches
    assert (match.subject, match.key) == ("map outer, inner map 2", "7")


def test_without_inner_the_ids_are_the_values() -> None:
    assert not judged(key=2, equals=12).mismatches


def test_a_wrong_value_is_told_of_the_inner_map() -> None:
    (found,) = judged(inner=0, key=7, equals=41).mismatches

    assert str(found) == "map outer, inner map 0 key 7: expected 41, observed 40"


def test_rows_are_those_of_the_inner_map() -> None:
    assert not judged(inner=2, rows=[{"key": 8}, {"key": 7, "value": 400}]).mismatches

    (found,) = judged(inner=0, rows=[]).mismatches

    assert found.subject == "map outer, inner map 0"
    assert found.observed == "a row with 40"


def test_a_reference_chooses_the_inner_map() -> None:
    observed = Observations(
        maps={"outer": OUTER}, inner={("outer", "7"): MapDump(rows=(row(0, 5),))}
    )

    assert not judged(observed, inner="${udp.pid}", key=0, equals=5).mismatches


def test_an_empty_slot_is_told_with_the_others() -> None:
    (found,) = judged(inner=3, key=7, equals=41).mismatches

    assert found.subject == "map outer, inner map 3"
    assert found.expected == "41"
    assert found.observed == "no inner map at 3; there are some at 0, 2"


def test_what_is_shown_is_the_inner_map() -> None:
    right = judged(inner=0, show={"type": "hash"})
    (wrong,) = judged(inner=0, show={"type": "array_of_maps"}).mismatches
    (empty,) = judged(inner=3, show={"type": "hash"}).mismatches

    assert [it.subject for it in right.matches] == ["map outer, inner map 0"]
    assert not judged(show={"type": "array_of_maps"}).mismatches
    assert str(wrong) == (
        'map outer, inner map 0 field type: expected "array_of_maps", observed "hash"'
    )
    assert str(empty) == (
        "map outer, inner map 3: expected to be shown, observed no inner map at 3; "
        "there are some at 0, 2"
    )


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"key": 7, "equals": 1}, "map outer"),
        ({"show": {"type": "hash"}}, "map outer: type"),
        ({"agree": True}, "map outer"),
        ({"agree": True, "show": ("type",)}, "map outer: type"),
    ],
)
def test_kernels_without_ids_show_no_inner_map(keys: dict[str, Any], what: str) -> None:
    observed = Observations(maps={"outer": OUTER}, not_shown="too old")

    found = not_available([expectation(map="outer", inner=0, **keys)], observed)

    assert found == [f"{what}: too old"]
    assert not judged(observed, inner=0, **keys).mismatches


def test_the_id_is_read_from_the_outer_map() -> None:
    assert innermaps.id_in(OUTER, 2, "array_of_maps") == 12
    assert innermaps.id_in(MapDump(rows=(row(5, 13),)), 5, "hash_of_maps") == 13
    # Of a loader whose maps' types nobody knows.
    assert innermaps.id_in(OUTER, 0, "") == 11


def test_the_id_is_a_number_of_its_kernels_byte_order() -> None:
    big = MapRow(key=BigEndian(b"\0\0\0\1"), value=BigEndian(b"\0\0\0\x0b"))

    assert innermaps.id_in(MapDump(rows=(big,)), 1, "array_of_maps") == 11


@pytest.mark.parametrize(
    ("dump", "key", "type_", "said"),
    [
        (
            OUTER,
            3,
            "array_of_maps",
            "no inner map at 3; there are some at 0, 2",
        ),
        (
            MapDump(rows=()),
            3,
            "hash_of_maps",
            "no inner map at 3; there are none at all",
        ),
        (
            MapDump(rows=(row(0, 1),)),
            0,
            "array",
            "no inner maps: it is of type array; leave out inner",
        ),
    ],
)
def test_what_is_no_inner_map_is_told(
    dump: MapDump, key: JsonValue, type_: str, said: str
) -> None:
    with pytest.raises(NoSuchPathError, match=said):
        innermaps.id_in(dump, key, type_)


@pytest.mark.parametrize("key", ["0x01 0x00 0x02 0x00", {"row": 1, "column": 2}])
def test_a_key_that_is_a_struct_is_written_as_one_or_as_bytes(key: JsonValue) -> None:
    row = MapRow(
        key=b"\1\0\2\0",
        value=b"\x0b\0\0\0",
        formatted_key={"row": 1, "column": 2},
        formatted_value=11,
    )

    assert innermaps.id_in(MapDump(rows=(row,)), key, "hash_of_maps") == 11
