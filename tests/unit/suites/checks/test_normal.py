"""The normal form: the same for the same, and different for all that differs."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from runner.bpf.bpftool import CpuValue, MapDump, MapRow
from runner.suites.checks import normal
from runner.suites.checks.normal import LONG, Names
from runner.suites.comparable import AgreeExpectation

PIDS = st.integers(2, (1 << 22) - 1)
# What programs count, store and name: none of it may be taken for a pid.
PLAIN = st.one_of(
    st.integers(-(1 << 31), LONG - 1),
    st.booleans(),
    st.none(),
    st.text(max_size=12),
)
MEMBERS = st.sampled_from(["count", "state", "uid", "rapid", "pids", "size"])


def wanted(**keys: Any) -> AgreeExpectation:
    return AgreeExpectation.model_validate(
        {"map": "m", "agree": True, **keys}, strict=False
    )


def names(child: int = 130, agent: int = 101, **more: Any) -> Names:
    namespace: dict[str, JsonValue] = {
        "agent": {"pid": agent, "tick_ns": 4_000_000},
        "kernel": {"id": "6.1", "release": "6.1.0-44-cloud-amd64"},
        "child": {"pid": child, "tgid": child, "ppid": agent, "comm": "sleeper"},
        "maps": {"m": {"id": 17}},
        "programs": {"p": {"id": 40}},
        **more,
    }
    return normal.names_of(["child"], namespace, window=(5_000, 9_000))


def row(key: JsonValue, value: JsonValue) -> MapRow:
    return MapRow(key=b"\0", formatted_key=key, formatted_value=value)


def rows(
    given_: list[tuple[JsonValue, JsonValue]], known: Names | None = None, **keys: Any
) -> list[JsonValue]:
    dump = MapDump(rows=tuple(row(*it) for it in given_))
    return [*normal.of_map(wanted(**keys), dump, known or names()).rows]


def value(given_: JsonValue, known: Names | None = None, **keys: Any) -> JsonValue:
    (found,) = rows([(0, given_)], known, **keys)
    assert isinstance(found, dict)
    return found["value"]


# ------------------------------------------------------------------ properties


@given(
    st.lists(
        st.tuples(st.sampled_from(["child", "agent"]), st.dictionaries(MEMBERS, PLAIN)),
        max_size=5,
    ),
    st.lists(PIDS, min_size=4, max_size=4, unique=True),
    st.randoms(),
)
def test_other_pids_and_another_order_give_the_same(
    template: list[tuple[str, dict[str, JsonValue]]], pids: list[int], random: Any
) -> None:
    def normal_of(child: int, agent: int, *, shuffled: bool) -> list[JsonValue]:
        by_name = {"child": child, "agent": agent}
        made: list[tuple[JsonValue, JsonValue]] = [
            (
                by_name[who] << 32 | child,
                {**plain, "pid": by_name[who], "last": {"parent_tgid": agent}},
            )
            for who, plain in template
        ]
        if shuffled:
            random.shuffle(made)
        return rows(made, names(child, agent))

    child, agent, other_child, other_agent = pids

    assert normal_of(child, agent, shuffled=False) == normal_of(
        other_child, other_agent, shuffled=True
    )


@given(MEMBERS, st.integers(-(1 << 63), LONG - 1), PIDS, PIDS)
def test_small_numbers_stay_where_nothing_says_that_they_are_pids(
    member: str, number: int, child: int, agent: int
) -> None:
    for known in (names(child, agent), names(number & 0x3FFFFF, agent)):
        assert value({member: number}, known) == {member: number}
        assert value(number, known) == number


@given(st.dictionaries(MEMBERS, PLAIN, min_size=1), st.data())
def test_a_value_that_differs_gives_another_form(
    given_: dict[str, JsonValue], data: st.DataObject
) -> None:
    member = data.draw(st.sampled_from(sorted(given_)))
    old = normal.canonical(given_[member])
    new = data.draw(PLAIN.filter(lambda it: normal.canonical(it) != old))

    assert value(given_) != value({**given_, member: new}) or (
        # 1 and true are equal in Python, and not in a file.
        normal.canonical(value(given_))
        != normal.canonical(value({**given_, member: new}))
    )


@given(st.text())
def test_no_text_of_a_program_looks_like_a_name(text: str) -> None:
    found = value({"comm": text})

    assert isinstance(found, dict)
    assert found["comm"] not in ("${child.pid}", "${time}")
    if "${" not in text and "6.1.0-44-cloud-amd64" not in text:
        assert found["comm"] == text


@given(st.text(st.characters()))
@example("\udc80")
def test_half_a_character_fits_into_a_file(text: str) -> None:
    found = value({"comm": text})

    assert isinstance(found, dict)
    shown = str(found["comm"])
    assert shown.encode().decode() == shown


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_rows_are_the_same_if_each_is_there_as_often(
    one: list[int], other: list[int]
) -> None:
    same = rows([(0, it) for it in one]) == rows([(0, it) for it in other])

    assert same == (sorted(one) == sorted(other))


# ------------------------------------------------------------------------ pids


@pytest.mark.parametrize("member", ["pid", "tgid", "ppid", "tid", "parent_pid"])
def test_a_field_that_is_called_like_a_pid_is_one(member: str) -> None:
    assert value({member: 130}) == {member: "${child.pid}"}


@pytest.mark.parametrize("member", ["rapid", "pids", "pid_count", "stupid", "key"])
def test_a_field_that_is_called_otherwise_is_not(member: str) -> None:
    assert value({member: 130}) == {member: 130}


def test_a_pid_that_nobody_knows_stays_unless_the_suite_says_that_it_is_one() -> None:
    assert value({"pid": 999}) == {"pid": 999}
    assert value({"pid": 999}, normalise={"value.pid": "pid"}) == {"pid": "${pid}"}


def test_a_wrong_pid_is_another_form_than_the_right_one() -> None:
    keys: dict[str, Any] = {"normalise": {"key": "pid"}}

    assert rows([(130, 1)], **keys) != rows([(131, 1)], **keys)
    assert rows([(130, 1)], **keys) != rows([(101, 1)], **keys)


def test_swapper_and_init_have_the_same_pid_on_each_kernel() -> None:
    known = names(child=1)

    assert value({"pid": 1}, known) == {"pid": 1}
    for pid in (0, 1, -1):
        assert value({"pid": pid}, normalise={"value.pid": "pid"}) == {"pid": pid}


def test_a_key_is_a_pid_if_the_suite_says_so() -> None:
    assert rows([(130, 1)]) == [{"key": 130, "value": 1}]
    assert rows([(130, 1)], normalise={"key": "pid"}) == [
        {"key": "${child.pid}", "value": 1}
    ]


def test_a_bare_number_that_equals_a_pid_is_remembered_for_the_advice() -> None:
    dump = MapDump(rows=(row(130, {"seen": [1, 130]}),))

    found = normal.of_map(wanted(), dump, names())

    assert found.unnamed == {"key": "child.pid", "value.seen[]": "child.pid"}


def test_what_bpf_get_current_pid_tgid_returns_is_named_by_itself() -> None:
    assert value(130 << 32 | 101) == "${child.pid}<<32|${agent.pid}"
    assert value(130 << 32 | 102) == 130 << 32 | 102


# -------------------------------------------------------------- what is declared


def test_ids_of_maps_and_programs_have_names() -> None:
    keys: dict[str, Any] = {"normalise": {"value": "id"}}

    assert [value(it, **keys) for it in (17, 40, 99, 0)] == [
        *("${maps.m.id}", "${programs.p.id}", "${id}", 0)
    ]


def test_a_time_is_one_only_while_the_case_runs() -> None:
    keys: dict[str, Any] = {"normalise": {"value": "time"}}

    assert [value(it, **keys) for it in (0, 4_999, 5_000, 9_000, 9_001)] == [
        *(0, "${time before the case}", "${time}", "${time}", "${time after the case}")
    ]


def test_addresses_of_the_kernel_and_of_programs_are_told_apart() -> None:
    keys: dict[str, Any] = {"normalise": {"value": "address"}}
    kernel, user = 0xFFFF888004A10000, 0x7F0012345678

    assert [value(it, **keys) for it in (kernel, user, 0, 8, -22)] == [
        *("${address}", "${user address}", 0, 8, -22)
    ]


def test_addresses_of_both_look_alike_on_some_architectures() -> None:
    # Of s390x, where the kernel's begin at 0, too.
    alike = replace(names(), addresses_overlap=True)
    keys: dict[str, Any] = {"normalise": {"value": "address"}}

    assert value(0x4000_1DB8_F000, alike, **keys) == "${address}"
    assert value(8, alike, **keys) == 8


def test_a_range_has_its_ends() -> None:
    keys: dict[str, Any] = {"normalise": {"value": [1, 5]}}

    assert [value(it, **keys) for it in (0, 1, 5, 6)] == [
        0,
        "${1 to 5}",
        "${1 to 5}",
        6,
    ]


def test_a_reference_is_that_value_and_nothing_else() -> None:
    known = names(truth={"inode": 77})
    keys: dict[str, Any] = {"normalise": {"value.inode": "${truth.inode}"}}

    assert value({"inode": 77}, known, **keys) == {"inode": "${truth.inode}"}
    assert value({"inode": 78}, known, **keys) == {"inode": 78}


def test_a_large_number_of_a_truth_is_named_by_itself_and_a_small_one_is_not() -> None:
    known = names(truth={"cgroup": LONG + 7, "links": 3})

    assert value([LONG + 7, 3], known) == ["${truth.cgroup}", 3]


def test_what_is_said_of_a_struct_holds_for_all_that_is_in_it() -> None:
    given_: JsonValue = {"stack": [0xFFFFFFFF81000000, 0], "n": 1}

    assert value(given_, normalise={"value.stack": "address"}) == {
        "stack": ["${address}", 0],
        "n": 1,
    }
    keys: dict[str, Any] = {"normalise": {"value": "any", "value.n": "as_is"}}
    assert value(given_, **keys) == {"stack": ["${any}", "${any}"], "n": 1}


def test_what_is_ignored_is_gone_and_the_rest_stays() -> None:
    given_: JsonValue = {"a": 1, "list": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}

    assert value(given_, ignore=["value.list[].x", "value.a"]) == {
        "list": [{"y": 2}, {"y": 4}]
    }
    assert rows([(1, 2), (3, 4)], ignore=["key"]) == [{"value": 2}, {"value": 4}]


# -------------------------------------------------------------- other than rows


def test_one_member_may_be_compared() -> None:
    assert value({"a": {"b": 7}, "c": 8}, field="a.b") == 7
    assert rows([(0, {"c": 8})], field="a.b") == [{"key": 0}]


def test_a_map_of_all_cpus_is_summed_member_by_member() -> None:
    cpus = tuple(
        CpuValue(cpu=cpu, data=b"", formatted={"n": cpu + 1, "t": "x", "l": [cpu, 2]})
        for cpu in range(2)
    )
    dump = MapDump(rows=(MapRow(key=b"\0", formatted_key=0, cpus=cpus),))

    (found,) = normal.of_map(wanted(cpu="sum"), dump, names()).rows

    assert found == {"key": 0, "value": {"n": 3, "t": "x", "l": [1, 4]}}


def test_global_data_has_no_key() -> None:
    dump = MapDump(rows=(MapRow(key=b"\0" * 4, formatted_value={"calls": 3}),))

    assert normal.of_map(wanted(), dump, names()).rows == [{"value": {"calls": 3}}]


def test_bytes_without_types_are_shown_as_bytes() -> None:
    dump = MapDump(rows=(MapRow(key=b"\1\0", value=b"\2\0"),))

    assert normal.of_map(wanted(), dump, names()).rows == [
        {"key": "0x01 0x00", "value": "0x02 0x00"}
    ]


def text(given_: JsonValue, **keys: Any) -> list[JsonValue]:
    expectation = wanted(map=None, value="${command.stdout}", **keys)
    found = normal.of_value(expectation, given_, names()).rows
    return [it["value"] for it in found if isinstance(it, dict)]


def test_a_text_is_lines_in_their_order() -> None:
    assert text("b\na\n") == ["b", "a"]
    assert text("b\na\n", ordered=False) == ["a", "b"]
    assert text("") == []


def test_records_are_rows_in_any_order_unless_it_counts() -> None:
    assert text([3, 1, 2]) == [1, 2, 3]
    assert text([3, 1, 2], ordered=True) == [3, 1, 2]


def test_nothing_at_all_is_no_row() -> None:
    assert text(None) == []


def test_parts_of_a_text_are_what_patterns_say() -> None:
    keys: dict[str, Any] = {
        "patterns": {r"pid=(\d+)": "pid", r"0x[0-9a-f]+": "address"}
    }

    assert text("pid=130 n=130 at 0xffff888004a10000", **keys) == [
        "pid=${child.pid} n=130 at ${address}"
    ]


def test_the_release_is_named_in_a_text() -> None:
    assert text("Linux 6.1.0-44-cloud-amd64 x") == ["Linux ${kernel.release} x"]


def test_what_bpftool_shows_is_one_row_of_the_keys_that_count() -> None:
    expectation = wanted(show=["type", "tag"])

    found = normal.of_show(expectation, {"id": 3, "type": "hash"}, names())

    assert found.rows == [{"value": {"type": "hash"}}]
    assert found.missing == ["tag"]


def test_a_run_keeps_the_first_rows_and_a_checksum_of_all() -> None:
    made = normal.NormalRows(rows=[{"key": it} for it in range(700)])
    other = normal.NormalRows(rows=[*made.rows[:-1], {"key": "x"}])

    kept = normal.found(wanted(), made, expectation=2)

    assert (len(kept.rows), kept.left_out, kept.expectation) == (500, 200, 2)
    assert kept.sha256 != normal.found(wanted(), other, expectation=2).sha256


# ------------------------------------------------------- whether anything is compared


def silenced(key: JsonValue, value: JsonValue, **keys: Any) -> str:
    dump = MapDump(rows=(row(key, value),))
    return normal.of_map(wanted(**keys), dump, names()).silenced


@pytest.mark.parametrize(
    "keys",
    [
        {"ignore": ["key", "value.n", "value.arr"]},
        {"ignore": ["key", "value.n", "value.arr[]"]},
        {"ignore": ["key", "value.arr"], "normalise": {"value.n": "any"}},
        {"normalise": {"key": "any", "value": "any"}},
        {"ignore": ["key", "value[]"], "field": "arr"},
    ],
)
def test_rows_without_any_value_that_counts_compare_nothing(
    keys: dict[str, Any],
) -> None:
    assert silenced(7, {"n": 1, "arr": [1, 2]}, **keys) == "nothing is left to compare"


def test_a_field_that_was_asked_for_must_be_left() -> None:
    given_: JsonValue = {"n": 1, "arr": [1, 2]}

    for keys in ({"field": "n", "ignore": ["value"]}, {"field": "arr"}):
        ignored = {"ignore": ["value[]"], **keys}
        assert silenced(7, given_, **ignored) == (
            f"nothing is left of the field {keys['field']}"
        )
    # It only has to be there: the suite says so.
    assert not silenced(7, given_, field="n", normalise={"value": "any"})


def test_what_is_empty_by_itself_is_what_the_kernel_gave() -> None:
    assert not silenced(7, {"arr": []}, ignore=["key", "value.arr[]"])
    assert not silenced(7, [], ignore=["key"])
    assert not normal.of_map(wanted(ignore=["key"]), MapDump(rows=()), names()).silenced


@pytest.mark.parametrize("pattern", ["(?s)(.*)", ".+", r"\w+"])
def test_patterns_that_take_all_of_a_text_compare_nothing(pattern: str) -> None:
    keys: dict[str, Any] = {"map": None, "value": "${command.stdout}"}

    def of(text: str, how: str) -> str:
        expectation = wanted(**keys, patterns={pattern: how})
        return normal.of_value(expectation, text, names()).silenced

    assert of("a b\n\n130\n", "any") == "nothing is left to compare"
    assert not of("a b\n\n130\n", "pid")


def test_a_programs_own_text_is_compared_whatever_it_looks_like() -> None:
    assert not silenced(7, "${any}", ignore=["key"])
    assert not silenced(7, "", ignore=["key"])
