from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue, TypeAdapter

from runner.bpf import bpftool
from runner.bpf.bpftool import CpuValue, MapDump, MapRow
from runner.errors import UsageError
from runner.results import Mismatch
from runner.suites.checks import Observations, check, not_available
from runner.suites.checks.evidence import judge_all
from runner.suites.model import Expectation

DATA = Path(__file__).resolve().parents[3] / "data/bpftool"
NAMES = (
    *("shapes", "cells", "totals", "per_cpu", "per_cpu_points", "empty", "names"),
    *("floats", "plain", "plain_cpu", "events"),
)
NAMESPACE: dict[str, JsonValue] = {
    "child": {"pid": 5, "comm": "sleeper"},
    "run": {"retval": 36, "data": "ff00"},
    "truth": {"letter": "S", "low": 1, "high": 9},
}


def dump(name: str) -> MapDump:
    return bpftool.parse_map_dump((DATA / f"map-dump-{name}.json").read_text())


def shown(name: str) -> Mapping[str, JsonValue]:
    return bpftool.parse_show((DATA / f"{name}.json").read_text())


OBSERVED = Observations(
    maps={name: dump(name) for name in NAMES} | {"data": dump("shapes_data")},
    shows={
        ("map", "cells"): shown("map-show-cells"),
        ("program", "fill"): shown("prog-show-fill"),
    },
    ids={("program", "fill"): 1, **{("map", name): 2 for name in (*NAMES, "data")}},
)


def mismatches(**expectation: Any) -> list[Mismatch]:
    # Lax, because a suite's lists are tuples.
    parsed: Expectation = TypeAdapter(Expectation).validate_python(
        expectation, strict=False
    )
    found = judge_all([parsed], OBSERVED, NAMESPACE)
    # What holds has its evidence.
    assert bool(found.mismatches) is not bool(found.matches)
    return list(found.mismatches)


def holds(**expectation: Any) -> bool:
    return not mismatches(**expectation)


def only(**expectation: Any) -> Mismatch:
    (found,) = mismatches(**expectation)
    return found


# ------------------------------------------------------------------ map values


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("largest", 2**64 - 1),
        ("least", -(2**63)),
        ("yes", True),
        ("yes", 1),
        ("class", "LARGE"),
        ("unnamed_class", 9),
        ("comm", "sleeper"),
        ("comm", "${child.comm}"),
        ("comm[0]", ord("s")),
        ("comm[7]", 0),
        ("full", "ABCD"),
        ("full", [65, 66, 67, 68]),
        ("control", "a\tb"),
        ("backslash", 'a\\"b'),
        ("bytes", "AB"),
        ("bytes", [65, 66, 0, 0]),
        ("comm", [*b"sleeper", *[0] * 9]),
        ("points[1].y", 9),
        ("points", [{"x": -1, "y": 0}, {"x": 0, "y": 9}]),
        ("grid[1][2]", 77),
        ("inner", 3),
        ("last.corner.x", -1),
        ("last.corner", {"x": -1, "y": 0}),
        ("bit", 1),
        ("bit", True),
        ("minus_three", 0xD),
        ("minus_three", "0xd"),
        ("pointer", 0xFFFF888000001234),
        ("null", 0),
        ("wide", 2**128 - 1),
    ],
)
def test_members_equal_what_c_calls_them(field: str, expected: JsonValue) -> None:
    assert holds(map="shapes", key="${child.pid}", field=field, equals=expected)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("yes", False),
        ("yes", 2),
        ("comm", "sleepe"),
        ("comm", "sleeper\0junk"),
        ("comm", [*b"sleeper", 0, *b"junk", *[0] * 4]),
        ("full", "ABC"),
        ("bytes", [65, 66, 0]),
        ("last.corner", {"x": -1}),
        ("class", "SMALL"),
        ("null", None),
        ("pointer", True),
    ],
)
def test_members_do_not_equal_something_else(field: str, expected: JsonValue) -> None:
    assert not holds(map="shapes", key=5, field=field, equals=expected)


def test_mismatch_names_map_key_field_expected_and_observed() -> None:
    assert str(only(map="shapes", key=5, field="last.corner.x", equals=4)) == (
        "map shapes key 5 field last.corner.x: expected 4, observed -1"
    )


def test_mismatch_in_a_struct_names_the_member() -> None:
    found = mismatches(
        map="shapes", key=5, field="last", equals={"corner": {"x": -1, "z": 2}}
    )
    assert [(each.field, each.expected, each.observed) for each in found] == [
        ("last.corner.z", "2", "no such field"),
        ("last.corner.y", "no such field", "0"),
    ]


def test_mismatch_in_an_array_names_the_element() -> None:
    found = only(map="shapes", key=5, field="grid", equals=[[0, 0, 0], [0, 0, 78]])
    assert (found.field, found.expected, found.observed) == ("grid[1][2]", "78", "77")


def test_array_of_another_length_is_one_mismatch() -> None:
    found = only(map="shapes", key=5, field="grid", equals=[[0, 0, 0]])
    assert found.observed == "[[0, 0, 0], [0, 0, 77]]"


def test_enum_that_is_expected_as_a_number_says_how_it_is_shown() -> None:
    found = only(map="shapes", key=5, field="class", equals=2)
    assert found.observed == '"LARGE" (bpftool shows enums by name)'


def test_signed_bit_field_is_shown_as_a_number_too() -> None:
    assert only(map="shapes", key=5, field="minus_three", equals=-3).observed == (
        '"0xd" (13)'
    )


@pytest.mark.parametrize(
    ("expectation", "expected", "observed"),
    [
        (
            {"map": "shapes", "key": 6, "equals": 1},
            "1",
            "no such key; keys are 5",
        ),
        (
            {"map": "cells", "key": {"row": 9}, "equals": 1},
            "1",
            'no such key; keys are {"row": 1, "column": 2}, {"row": 3, "column": 4}',
        ),
        (
            {"map": "empty", "key": 6, "between": (1, 9)},
            "between 1 and 9",
            "no such key; the map is empty",
        ),
        (
            {"map": "totals", "equals": 1},
            "1",
            "2 rows; set a key of 0, 1",
        ),
        (
            {"map": "cells", "key": {}, "equals": 1},
            "1",
            '2 keys that match: {"row": 1, "column": 2}, {"row": 3, "column": 4}',
        ),
        (
            {"map": "shapse", "key": 5, "equals": 1},
            "1",
            "no such map; did you mean 'shapes'?",
        ),
        (
            {"map": "shapes", "key": 5, "field": "last.cornr.x", "equals": 1},
            "1",
            "no such field 'cornr'; did you mean 'corner'?",
        ),
        (
            {"map": "shapes", "key": 5, "field": "last.q", "equals": 1},
            "1",
            "no such field 'q'; there are corner",
        ),
        (
            {"map": "shapes", "key": 5, "field": "grid[2]", "equals": 1},
            "1",
            "no element [2]; there are 2",
        ),
        (
            {"map": "shapes", "key": 5, "field": "comm[8]", "equals": 1},
            "1",
            'no element [8]; the value is "sleeper"',
        ),
        (
            {"map": "shapes", "key": 5, "field": "unnamed_class.x", "equals": 1},
            "1",
            "no field 'x'; the value is 9",
        ),
        (
            {"map": "plain", "key": 1, "field": "x", "equals": 1},
            "1",
            "bytes without fields, as the map has no BTF: "
            "0xdc 0x05 0x00 0x00 0x00 0x00 0x00 0x00",
        ),
        (
            {"map": "floats", "key": 0, "field": "after", "equals": 1},
            "1",
            "no field 'after': bpftool stops at 'real', which it can't format; "
            "check the bytes with raw: true",
        ),
        (
            {"map": "events", "key": 0, "equals": 1},
            "1",
            "a value that can't be read: Unknown error 524",
        ),
        (
            {"map": "totals", "key": 1, "cpu": 0, "equals": 1},
            "1",
            "one value for all CPUs; this is not a per-CPU map",
        ),
        (
            {"map": "per_cpu", "key": 1, "equals": 1},
            "1",
            "one value per CPU; set cpu: N, cpu: sum or cpu: any",
        ),
        (
            {"map": "per_cpu", "key": 1, "cpu": 9, "equals": 1},
            "1",
            "no CPU 9; there are 0, 1",
        ),
        (
            {"map": "per_cpu", "key": 1, "cpu": "any", "equals": 1},
            "1",
            "CPU 0: 1500, CPU 1: 0",
        ),
        (
            {"map": "per_cpu_points", "key": 1, "cpu": "sum", "equals": 1},
            "1",
            'values that can\'t be added: CPU 0: {"x": -1, "y": 2}, '
            'CPU 1: {"x": 0, "y": 0}',
        ),
    ],
)
def test_what_is_not_there_says_what_is(
    expectation: dict[str, JsonValue], expected: str, observed: str
) -> None:
    found = only(**expectation)
    assert (found.expected, found.observed) == (expected, observed)


def test_key_may_name_some_of_its_fields() -> None:
    assert holds(map="cells", key={"row": 3}, equals=100)


def test_key_of_chars_is_text() -> None:
    assert holds(map="names", key="abc", equals="SMALL")


def test_map_of_one_row_needs_no_key() -> None:
    assert holds(map="data", field="seen_count", equals=8)


def test_key_that_is_there_is_enough_without_a_condition() -> None:
    assert holds(map="totals", key=1)
    assert only(map="totals", key=2).expected == "any value"


@pytest.mark.parametrize(
    "expected",
    [
        "0xdc 0x05 0x00 0x00 0x00 0x00 0x00 0x00",
        "dc 05 00 00 00 00 00 00",
        "0xDC 05 00 00 00 00 00 00",
        [0xDC, 5, 0, 0, 0, 0, 0, 0],
        1500,
    ],
)
@pytest.mark.parametrize(("map_", "raw"), [("totals", True), ("plain", False)])
def test_bytes_are_judged_raw_and_without_btf(
    map_: str, raw: bool, expected: JsonValue
) -> None:
    assert holds(map=map_, key=1, raw=raw, equals=expected)
    assert holds(map=map_, key="0x01 0x00 0x00 0x00", raw=True, equals=expected)


@pytest.mark.parametrize("expected", ["0xdc 0x05", 1501, -1, 2**64, "text", [0xDC]])
def test_other_bytes_differ(expected: JsonValue) -> None:
    found = only(map="totals", key=1, raw=True, equals=expected)
    assert found.observed == "0xdc 0x05 0x00 0x00 0x00 0x00 0x00 0x00"


def test_bytes_can_be_judged_as_a_number() -> None:
    assert holds(map="plain", key=1, between=(1000, 2000))
    assert holds(map="plain", key=1, mask=0xFF, equals=0xDC)


def test_per_cpu_values() -> None:
    assert holds(map="per_cpu", key=1, cpu="sum", equals=1500)
    assert holds(map="per_cpu", key=1, cpu="any", equals=1500)
    assert holds(map="per_cpu", key=1, cpu=0, equals=1500)
    assert holds(map="per_cpu_points", key=1, cpu="sum", field="x", equals=-1)
    assert holds(map="plain_cpu", key=1, cpu="sum", equals=1500)
    assert str(only(map="per_cpu", key=1, cpu=1, equals=1500)) == (
        "map per_cpu key 1 (CPU 1): expected 1500, observed 0"
    )


# -------------------------------------------------------------------- matchers


def test_both_ends_of_a_range_belong_to_it() -> None:
    value = {"map": "totals", "key": 1}
    assert holds(**value, between=(1500, 1501))
    assert holds(**value, between=(1499, 1500))
    assert not holds(**value, between=(1501, 1600))
    assert only(map="shapes", key=5, field="comm", between=(1, 2)).observed == (
        '"sleeper"'
    )


def test_ends_of_a_range_may_be_references() -> None:
    value = "${child.pid}"
    assert holds(value=value, between=("${truth.low}", "${truth.high}"))
    assert only(value=value, between=("${truth.high}", 12)).expected == (
        "between 9 and 12"
    )


def test_range_of_text_is_a_mistake_of_the_suite() -> None:
    with pytest.raises(UsageError, match="two numbers"):
        mismatches(value="${child.pid}", between=("${truth.letter}", 12))


def test_one_of() -> None:
    assert holds(map="cells", key={"row": 1}, one_of=(50, 51))
    assert only(map="totals", key=1, one_of=(1, "a")).expected == 'one of 1, "a"'


def test_pattern_must_match_the_whole_text() -> None:
    assert holds(map="shapes", key=5, field="comm", matches="sle+per")
    assert holds(map="shapes", key=5, field="full", matches="AB..")
    assert holds(map="totals", key=1, matches="1[0-9]{3}")
    found = only(map="shapes", key=5, field="comm", matches="sleep")
    assert found.expected == "text that matches 'sleep'"


def test_pattern_that_is_none_is_a_mistake_of_the_suite() -> None:
    with pytest.raises(UsageError, match="not a regular expression"):
        mismatches(map="totals", key=1, matches="(")


def test_mask_is_applied_before_judging() -> None:
    assert holds(map="totals", key=1, mask=0xF0, equals=0xD0)
    assert holds(map="totals", key=1, mask=0xF0, between=(0xD0, 0xDF))
    found = only(map="totals", key=1, mask=0xF0, equals=1)
    assert found.expected == "1, masked by 0xf0"
    assert found.observed == "0xd0 (0x5dc masked by 0xf0)"
    found = only(map="shapes", key=5, field="comm", mask=1, equals=1)
    assert found.observed == '"sleeper", which is not a number'


# ------------------------------------------------------- values, shows and rows


def test_value_of_a_trigger() -> None:
    assert holds(value="${run.retval}", equals=36)
    assert holds(value="${child.comm}", equals="sleeper")
    assert str(only(value="${run.retval}", equals=1)) == (
        "value ${run.retval}: expected 1, observed 36"
    )


def test_show_compares_what_is_named_only() -> None:
    assert holds(map="cells", show={"type": "hash", "bytes_key": 8, "frozen": False})
    assert holds(program="fill", show={"type": "socket_filter", "gpl_compatible": True})


def test_show_that_differs() -> None:
    found = mismatches(program="fill", show={"type": "kprobe", "nme": "fill"})
    assert [str(each) for each in found] == [
        'program fill field type: expected "kprobe", observed "socket_filter"',
        'program fill field nme: expected "fill", '
        "observed no such key; did you mean 'name'?",
    ]


def test_show_of_what_is_not_there() -> None:
    assert only(program="fil", show={"type": "kprobe"}).observed == (
        "no such program; did you mean 'fill'?"
    )
    assert only(map="other", show={"type": "hash"}).observed == (
        "no such map; there are shapes, cells, totals, per_cpu, per_cpu_points, empty, "
        "names, floats, … (12 in all)"
    )


CELLS = (
    {"key": {"row": 3, "column": 4}, "value": 100},
    {"key": {"row": 1, "column": 2}, "value": 50},
)


def test_rows_come_in_any_order() -> None:
    assert holds(map="cells", rows=CELLS)
    assert holds(map="cells", rows=CELLS, match="includes")


def test_rows_that_are_too_many_only_differ_exactly() -> None:
    assert holds(map="cells", rows=CELLS[:1], match="includes")
    assert [str(each) for each in mismatches(map="cells", rows=CELLS[:1])] == [
        'map cells key {"row": 1, "column": 2}: expected no such row, '
        "observed a row with 50"
    ]


def test_row_with_another_value_is_one_mismatch() -> None:
    rows = (CELLS[0], {"key": {"row": 1, "column": 2}, "value": 51})
    assert [str(each) for each in mismatches(map="cells", rows=rows)] == [
        'map cells key {"row": 1, "column": 2}: expected a row with 51, '
        "observed a row with 50"
    ]


def test_missing_row() -> None:
    rows = (*CELLS, {"key": {"row": 7}})
    assert [str(each) for each in mismatches(map="cells", rows=rows)] == [
        'map cells key {"row": 7}: expected a row with any value, observed no such row'
    ]


def test_rows_are_a_multiset() -> None:
    twice = ({"value": 100}, {"value": 100})
    assert len(mismatches(map="cells", rows=twice)) == 2
    assert len(mismatches(map="cells", rows=twice, match="includes")) == 1


def test_row_named_in_part_does_not_take_the_row_of_another() -> None:
    rows: Any = ({"key": {}}, {"key": {"row": 1}})
    assert holds(map="cells", rows=rows)
    assert holds(map="cells", rows=rows[::-1])


def test_rows_of_per_cpu_maps_are_lists() -> None:
    zeros: JsonValue = [0] * len(dump("per_cpu").rows[0].cpus)
    assert holds(map="per_cpu", rows=({"key": 0, "value": zeros},), match="includes")
    assert not holds(map="per_cpu", rows=({"key": 0, "value": 0},), match="includes")


def test_rows_without_btf_are_bytes() -> None:
    assert holds(map="plain", rows=({"key": 1, "value": 1500},))
    assert holds(map="plain", rows=({"key": "01 00 00 00"},))


def test_rows_that_can_not_be_read_have_no_value() -> None:
    (found,) = mismatches(map="events", rows=({"key": 0, "value": 1},))
    assert found.observed == "a row with a value that can't be read: Unknown error 524"


def test_many_rows_that_differ_are_counted() -> None:
    rows: Any = tuple({"key": {"row": number}} for number in range(100, 130))
    found = mismatches(map="cells", rows=rows)
    assert len(found) == 11
    assert found[-1].observed == "22 more rows that differ"


# -------------------------------------------------------------------- evidence


@pytest.mark.parametrize(
    ("expectation", "words"),
    [
        (
            {"map": "shapes", "key": 5, "field": "comm", "equals": "${child.comm}"},
            'map shapes key 5 field comm: expected "sleeper", observed "sleeper"',
        ),
        (
            {"map": "totals", "key": 1, "between": (1000, 2000)},
            "map totals key 1: expected between 1000 and 2000, observed 1500",
        ),
        (
            {"value": "${run.retval}", "equals": 4, "mask": 0xF},
            "value ${run.retval}: expected 4, masked by 0xf, "
            "observed 0x4 (0x24 masked by 0xf)",
        ),
        (
            {"map": "totals", "rows": ({"key": 1},), "match": "includes"},
            "map totals key 1: expected any value, observed 1500",
        ),
        (
            {"map": "empty", "rows": ()},
            "map empty: expected no rows, observed no rows",
        ),
        (
            {"program": "fill", "show": {"name": "fill"}},
            'program fill field name: expected "fill", observed "fill"',
        ),
    ],
)
def test_what_holds_says_what_was_read(expectation: dict[str, Any], words: str) -> None:
    parsed: Expectation = TypeAdapter(Expectation).validate_python(
        expectation, strict=False
    )
    (found,) = judge_all([parsed], OBSERVED, NAMESPACE).matches
    assert str(found) == words


def test_evidence_of_many_expectations_and_long_values_is_bounded() -> None:
    row = MapRow(key=bytes(4), formatted_key=0, formatted_value="a" * 500)
    observed = Observations(maps={"long": MapDump(rows=(row,))})
    parsed: Expectation = TypeAdapter(Expectation).validate_python(
        {"map": "long", "key": 0, "equals": "a" * 500}
    )
    found = judge_all([parsed] * 100, observed, {})
    assert len(found.matches) == 20
    assert all(len(it.observed) < 170 for it in found.matches)


# --------------------------------------------------------------- many and long


def test_all_mismatches_are_returned_in_order() -> None:
    expectations: tuple[Expectation, ...] = TypeAdapter(
        tuple[Expectation, ...]
    ).validate_python(
        [
            {"map": "totals", "key": 1, "equals": 1},
            {"map": "totals", "key": 1, "equals": 1500},
            {"value": "${run.retval}", "equals": 1},
        ]
    )
    found = judge_all(expectations, OBSERVED, NAMESPACE)
    subjects = [it.subject for it in found.mismatches]
    assert subjects == ["map totals", "value ${run.retval}"]


def test_long_values_are_cut_where_they_do_not_differ() -> None:
    start, end = "a" * 500, "b" * 500
    row = MapRow(key=bytes(4), value=bytes(1), formatted_key=0, formatted_value=start)
    observed = Observations(maps={"long": MapDump(rows=(row,))})
    parsed: Expectation = TypeAdapter(Expectation).validate_python(
        {"map": "long", "key": 0, "equals": start[:400] + "X" + end}
    )
    (found,) = check(parsed, observed, {})
    assert len(found.expected) < 170
    assert "aX" in found.expected
    assert len(found.observed) < 170
    assert found.observed.startswith("…aaa")


def test_difference_at_the_end_of_a_long_value_is_shown() -> None:
    start = "a" * 500
    row = MapRow(key=bytes(4), formatted_key=0, formatted_value=start)
    observed = Observations(maps={"long": MapDump(rows=(row,))})
    parsed: Expectation = TypeAdapter(Expectation).validate_python(
        {"map": "long", "key": 0, "equals": start + "Z"}
    )
    (found,) = check(parsed, observed, {})
    assert found.expected.endswith('aZ"')
    assert found.observed.endswith('aa"')


def test_many_keys_are_counted() -> None:
    rows = tuple(
        MapRow(key=bytes(4), formatted_key=number, formatted_value=0)
        for number in range(300)
    )
    observed = Observations(maps={"many": MapDump(rows=rows)})
    parsed: Expectation = TypeAdapter(Expectation).validate_python(
        {"map": "many", "key": 999, "equals": 0}
    )
    (found,) = check(parsed, observed, {})
    assert found.observed == (
        "no such key; keys are 0, 1, 2, 3, 4, 5, 6, 7, … (300 in all)"
    )


def test_static_variable_with_a_dot_in_its_name_is_found() -> None:
    row = MapRow(
        key=bytes(4), formatted_value={"fill": {"x": 1}, "fill.shape": {"x": 2}}
    )
    observed = Observations(maps={"bss": MapDump(rows=(row,))})
    for field, value in (("fill.x", 1), ("fill.shape.x", 2)):
        parsed: Expectation = TypeAdapter(Expectation).validate_python(
            {"map": "bss", "field": field, "equals": value}
        )
        assert check(parsed, observed, {}) == []


def test_lists_of_other_sizes_of_cpus_differ() -> None:
    row = MapRow(key=bytes(4), cpus=(CpuValue(cpu=0, data=b"\1", formatted=1),))
    observed = Observations(maps={"one": MapDump(rows=(row,))})
    parsed: Expectation = TypeAdapter(Expectation).validate_python(
        {"map": "one", "rows": ({"value": [1, 2]},)}
    )
    assert [str(each) for each in check(parsed, observed, {})] == [
        "map one: expected a row with [1, 2], observed no such row",
        "map one key 0x00 0x00 0x00 0x00: expected no such row, "
        "observed a row with [1]",
    ]


# -------------------------------------------------------------- not available


SHOW: Expectation = TypeAdapter(Expectation).validate_python(
    {"map": "cells", "show": {"type": "array", "id": 5}}
)


def test_what_a_kernel_does_not_tell_neither_holds_nor_fails() -> None:
    untold = Observations(
        maps=OBSERVED.maps, not_shown="kernels before 4.13 can't list"
    )

    assert check(SHOW, untold, {}) == []
    assert not_available([SHOW], untold) == [
        "map cells: type, id: kernels before 4.13 can't list"
    ]


def test_what_a_kernel_tells_is_available() -> None:
    assert check(SHOW, OBSERVED, {})
    assert not_available([SHOW], OBSERVED) == []
