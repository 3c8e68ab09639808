"""Goldens are what bpftool 7.1 printed; tests/data/bpftool/record renews them."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from runner.bpf import bpftool
from runner.bpf.bpftool import BpftoolError, CpuValue, MapDump, MapRow
from runner.suites.checks import equality

DATA = Path(__file__).resolve().parents[2] / "data/bpftool"


def golden(name: str) -> str:
    return (DATA / f"{name}.json").read_text()


def dump(name: str) -> MapDump:
    return bpftool.parse_map_dump(golden(f"map-dump-{name}"))


def formatted(name: str) -> JsonValue:
    return dump(name).rows[0].formatted_value


def only_shape() -> dict[str, JsonValue]:
    shape = formatted("shapes")
    assert isinstance(shape, dict)
    return shape


def test_commands_are_argument_vectors() -> None:
    assert bpftool.map_dump(7)[1:] == ["-j", "map", "dump", "id", "7"]
    assert bpftool.show("map", 7)[1:] == ["-j", "map", "show", "id", "7"]
    assert bpftool.show("program", 7)[1:] == ["-j", "prog", "show", "id", "7"]


def test_rows_hold_bytes_and_formatted_values() -> None:
    assert dump("cells").rows == (
        MapRow(
            key=bytes([1, 0, 0, 0, 2, 0, 0, 0]),
            value=bytes([50, 0, 0, 0, 0, 0, 0, 0]),
            formatted_key={"row": 1, "column": 2},
            formatted_value=50,
        ),
        MapRow(
            key=bytes([3, 0, 0, 0, 4, 0, 0, 0]),
            value=bytes([100, 0, 0, 0, 0, 0, 0, 0]),
            formatted_key={"row": 3, "column": 4},
            formatted_value=100,
        ),
    )


def test_without_btf_only_bytes_are_there() -> None:
    assert dump("plain").rows == (
        MapRow(key=bytes([1, 0, 0, 0]), value=bytes([0xDC, 5, 0, 0, 0, 0, 0, 0])),
    )


def test_per_cpu_rows_hold_a_value_a_cpu() -> None:
    first, second = dump("per_cpu").rows
    assert first.formatted_key == 0
    assert second.cpus[:2] == (
        CpuValue(cpu=0, data=bytes([0xDC, 5, 0, 0, 0, 0, 0, 0]), formatted=1500),
        CpuValue(cpu=1, data=bytes(8), formatted=0),
    )
    assert second.value == b""


def test_per_cpu_rows_of_structs() -> None:
    (row,) = dump("per_cpu_points").rows
    assert row.cpus[0].formatted == {"x": -1, "y": 2}


def test_per_cpu_rows_without_btf() -> None:
    (row,) = dump("plain_cpu").rows
    assert row.cpus[0] == CpuValue(cpu=0, data=bytes([0xDC, 5, 0, 0, 0, 0, 0, 0]))


def test_empty_map_has_no_rows() -> None:
    assert dump("empty").rows == ()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("largest", 2**64 - 1),
        ("least", -(2**63)),
        ("letter", 65),
        ("yes", True),
        ("class", "LARGE"),
        ("unnamed_class", 9),
        ("comm", "sleeper"),
        # Arrays of char without a NUL, or with a control character, are numbers.
        ("full", [65, 66, 67, 68]),
        ("control", [97, 9, 98, 0]),
        ("bytes", [65, 66, 0, 0]),
        ("grid", [[0, 0, 0], [0, 0, 77]]),
        # Bit-fields are hexadecimal text without a sign.
        ("bit", "0x1"),
        ("minus_three", "0xd"),
        ("pointer", 0xFFFF888000001234),
        ("wide", "0xffffffffffffffffffffffffffffffff"),
    ],
)
def test_members_are_as_bpftool_formats_them(member: str, value: JsonValue) -> None:
    assert only_shape()[member] == value


def test_backslash_that_bpftool_prints_as_newline_is_restored() -> None:
    assert r"a\n\"b" in golden("map-dump-shapes")
    assert only_shape()["backslash"] == 'a\\"b'


def test_members_of_anonymous_structs_belong_to_the_outer_one() -> None:
    assert '"":{"":{"":' in golden("map-dump-shapes")
    shape = only_shape()
    assert "" not in shape
    assert (shape["inner"], shape["alias"], shape["second"]) == (3, 3, 4)


def test_enum_keys_and_char_array_keys_are_text() -> None:
    (row,) = dump("names").rows
    assert (row.formatted_key, row.formatted_value) == ("abc", "SMALL")


def test_broken_json_of_a_float_is_read_up_to_it() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(golden("map-dump-floats"))
    assert formatted("floats") == {"before": 0, "real": bpftool.UNSUPPORTED}


def test_text_that_looks_like_a_float_is_left_alone() -> None:
    shown = "(unsupported-kind"
    text = json.dumps(
        [{"key": ["0x00"], "value": ["0x00"], "formatted": {"key": 0, "value": shown}}]
    )
    assert bpftool.parse_map_dump(text).rows[0].formatted_value == shown


def test_global_data_is_a_mapping_of_variables() -> None:
    assert formatted("shapes_data") == {"seen_count": 8, "seen_again": 8}
    assert dump("shapes_data").rows[0].formatted_key is None


def test_global_data_with_a_name_twice_stays_as_it_is() -> None:
    section: JsonValue = {".bss": [{"a": 1}, {"a": 2}]}
    text = json.dumps(
        [{"key": ["0x00"], "value": ["0x00"], "formatted": {"value": section}}]
    )
    assert bpftool.parse_map_dump(text).rows[0].formatted_value == section


def test_value_that_can_not_be_read_is_a_rows_error() -> None:
    (row,) = dump("events").rows
    assert row == MapRow(key=bytes(4), error="Unknown error 524")


def test_shows_are_mappings() -> None:
    shown = bpftool.parse_show(golden("map-show-cells"))
    assert (shown["type"], shown["name"], shown["bytes_key"]) == ("hash", "cells", 8)
    shown = bpftool.parse_show(golden("prog-show-fill"))
    assert (shown["type"], shown["gpl_compatible"]) == ("socket_filter", True)


def test_show_in_a_list_of_one_is_taken() -> None:
    assert bpftool.parse_show('[{"id": 3}]') == {"id": 3}


def test_error_of_bpftool_is_passed_on() -> None:
    with pytest.raises(BpftoolError, match=r"get map by id .*: No such file"):
        dump("error")
    with pytest.raises(BpftoolError, match=r"get by id .*: No such file"):
        bpftool.parse_show(golden("prog-show-error"))


def test_a_kernel_without_ids_is_too_old_to_list_what_is_loaded() -> None:
    old = '[{"error":"can\'t get next map: Invalid argument -- kernel too old?"}]'

    assert bpftool.parse_list(old) is None
    assert bpftool.parse_list("") == []
    assert bpftool.parse_list('[{"id":3}]') == [{"id": 3}]
    with pytest.raises(BpftoolError, match="not permitted"):
        bpftool.parse_list('[{"error":"can\'t get next map: Operation not permitted"}]')


def test_error_between_rows_is_an_error_of_the_dump() -> None:
    with pytest.raises(BpftoolError, match="can't get next key"):
        bpftool.parse_map_dump('[{"error":"can\'t get next key"}]')


def test_nothing_printed_is_an_error() -> None:
    with pytest.raises(BpftoolError, match="printed nothing"):
        dump("no-such-name")


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "7",
        "{}",
        "[7]",
        "[{}]",
        '[{"key":"0x00","value":[]}]',
        '[{"key":["0x100"],"value":[]}]',
        '[{"key":[0],"value":[]}]',
        '[{"key":[],"value":null}]',
        '[{"key":[],"value":[],"formatted":7}]',
        '[{"key":[],"values":7}]',
        '[{"key":[],"values":[7]}]',
        '[{"key":[],"values":[{"cpu":"0","value":[]}]}]',
        '[{"key":[],"values":[{"cpu":0}]}]',
        '[{"key":[],"values":[],"formatted":{"values":{}}}]',
        '[{"key":[],"value":[],"formatted":{"key":0,"key":1}}]',
        "[NaN]",
        "[" * 100_000,
        f"[{'9' * 5000}]",
        "libbpf: elf: skipping\n[]",
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BpftoolError):
        bpftool.parse_map_dump(text)


@pytest.mark.parametrize("text", ["[]", "{}", '{"id":"3"}', "[1,2]"])
def test_show_that_is_not_one_object_is_refused(text: str) -> None:
    with pytest.raises(BpftoolError):
        bpftool.parse_show(text)


@given(st.integers(min_value=0))
def test_truncated_dump_is_refused(length: int) -> None:
    text = golden("map-dump-shapes").rstrip()
    with pytest.raises(BpftoolError):
        bpftool.parse_map_dump(text[: length % len(text)])


json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["key", "value", "values", "cpu", "formatted", "error", ""]
            ),
            inner,
        )
    ),
)


@given(st.one_of(st.text(), json_values.map(json.dumps)))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (bpftool.parse_map_dump, bpftool.parse_show):
        with contextlib.suppress(BpftoolError):
            parse(text)


@given(
    key=st.binary(max_size=8),
    value=st.binary(max_size=8),
    shown=st.integers() | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)
def test_rows_survive_being_printed(key: bytes, value: bytes, shown: JsonValue) -> None:
    def hexed(data: bytes) -> list[str]:
        return [f"0x{byte:02x}" for byte in data]

    text = json.dumps(
        [
            {
                "key": hexed(key),
                "value": hexed(value),
                "formatted": {"key": 0, "value": shown},
            }
        ]
    )
    assert bpftool.parse_map_dump(text).rows == (
        MapRow(key=key, value=value, formatted_key=0, formatted_value=shown),
    )


def test_numbers_of_a_big_endian_kernel_begin_with_their_most_significant_byte() -> (
    None
):
    text = (
        '[{"key":["0x00","0x00","0x00","0x02"],"value":["0x00","0x00","0x01","0x05"]}]'
    )
    (row,) = bpftool.parse_map_dump(text, "big").rows
    (other,) = bpftool.parse_map_dump(text).rows

    assert equality.number(row.key) == 2
    assert equality.equal(0x105, row.value)
    assert not equality.equal(0x105, other.value)
    assert row.value == other.value


def test_code_of_a_big_endian_kernel_is_read() -> None:
    opcodes = {
        "code": "0x63",
        "src_reg": "0x1",
        "dst_reg": "0xa",
        "off": ["0xff", "0xf8"],
        "imm": ["0x00", "0x00", "0x01", "0x02"],
    }
    text = json.dumps([{"disasm": "*(u32 *)(r10 -8) = r1", "opcodes": opcodes}])

    (insn,) = bpftool.parse_prog_dump(text, "big")

    assert (insn.offset, insn.imm) == (-8, 0x102)
