"""How rows differ, in words."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from runner.suites.checks import rowdiff
from runner.suites.checks.normal import canonical

VALUES = st.recursive(
    st.one_of(st.integers(0, 2), st.booleans(), st.none(), st.sampled_from("ab")),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
    ),
    max_leaves=4,
)
ROWS = st.lists(
    st.builds(
        lambda key, value: {"key": key, "value": value}, st.integers(0, 2), VALUES
    ),
    max_size=4,
).map(lambda rows: sorted(rows, key=canonical))


def told(one: list[JsonValue], other: list[JsonValue]) -> list[str]:
    return [str(it) for it in rowdiff.differences("map m", one, other)]


@given(ROWS, ROWS)
def test_there_is_a_difference_if_and_only_if_rows_differ(
    one: list[JsonValue], other: list[JsonValue]
) -> None:
    assert bool(told(one, other)) == (canonical(one) != canonical(other))


@given(st.lists(VALUES, max_size=4), st.lists(VALUES, max_size=4))
def test_so_it_is_with_rows_that_have_no_keys(
    one: list[JsonValue], other: list[JsonValue]
) -> None:
    assert bool(told(one, other)) == (canonical(one) != canonical(other))


def test_a_value_that_differs_is_named_by_key_and_field() -> None:
    assert told(
        [{"key": 1, "value": {"a": 1, "b": [1, 2]}}],
        [{"key": 1, "value": {"a": 1, "b": [1, 3]}}],
    ) == ["map m key 1 field b[1]: expected 2, observed 3"]


def test_rows_that_are_missing_or_too_many_are_named() -> None:
    assert told([{"key": 1, "value": 5}], [{"key": 2, "value": 5}]) == [
        "map m key 1: expected a row with 5, observed no such row",
        "map m key 2: expected no such row, observed a row with 5",
    ]


def test_a_number_is_not_the_text_of_it_nor_true() -> None:
    assert told([{"value": 1}], [{"value": True}])
    assert told([{"value": 1}], [{"value": "0x1"}])


def test_a_line_that_is_gone_does_not_shift_the_others() -> None:
    one: list[JsonValue] = [{"value": it} for it in "abcd"]
    other: list[JsonValue] = [{"value": it} for it in "acd"]

    assert told(one, other) == [
        'map m key row 2: expected a row with "b", observed no such row'
    ]


def test_many_differences_are_counted() -> None:
    one: list[JsonValue] = [{"key": it, "value": 1} for it in range(40)]
    other: list[JsonValue] = [{"key": it, "value": 2} for it in range(40)]

    found = told(one, other)

    assert len(found) == 11
    assert found[-1].endswith("observed 30 more differences")


def test_a_row_that_is_there_once_is_not_one_that_is_there_twice() -> None:
    row: JsonValue = {"key": "${pid}", "value": 1}

    assert told([row, row], [row]) == [
        'map m key "${pid}": expected a row with 1 twice, observed once'
    ]
    assert told([row], [row] * 4) == [
        'map m key "${pid}": expected a row with 1 once, observed 4 times'
    ]


def test_so_it_is_with_rows_that_have_no_key() -> None:
    row: JsonValue = {"value": {"n": 42}}

    (more,) = told([row] * 3, [row])

    assert more.endswith('expected a row with {"n": 42} 3 times, observed once')
    assert told([row, {"value": 1}], [{"value": 1}, row]) != []
