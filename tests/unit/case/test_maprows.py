"""Rows that a map begins with."""

from pathlib import Path
from typing import Any

import pytest

from runner.bpf import object as bpf_object
from runner.bpf.btf import Btf
from runner.case import maprows
from runner.errors import UsageError
from runner.guest.objectsettings import FilledRow
from tests.unit.guest.agent_process import compile_bpf

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct rule { __u32 weight; __u8 name[4]; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u16);
	__type(value, struct rule);
} rules SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} untyped SEC(".maps");
SEC("socket") int use(void *context)
{
	return !bpf_map_lookup_elem(&rules, context) &&
		!bpf_map_lookup_elem(&untyped, context);
}
"""


@pytest.fixture(scope="module")
def btf(tmp_path_factory: pytest.TempPathFactory) -> Btf:
    folder: Path = tmp_path_factory.mktemp("rows")
    return bpf_object.read(compile_bpf(SOURCE, folder)).btf


def test_rows_become_bytes(btf: Btf) -> None:
    assert maprows.encoded(btf, "rules", [{"key": 7, "value": {"weight": 258}}]) == [
        FilledRow(key=b"\x07\0", value=b"\x02\x01\0\0\0\0\0\0")
    ]


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("rulse", {"key": 1, "value": {}}, "did you mean 'rules'?"),
        ("rules", {"key": 1}, "a row needs a key and a value"),
        ("rules", {"key": 1 << 16, "value": {}}, "does not fit into 2 bytes"),
        ("rules", {"key": 1, "value": {"weightt": 1}}, "did you mean 'weight'?"),
        ("untyped", {"key": 1, "value": 1}, "does not say the type of the map's key"),
    ],
)
def test_what_a_row_can_not_be_is_refused(
    btf: Btf, name: str, row: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        maprows.encoded(btf, name, [row])
    assert said in caught.value.message
