"""Maps in maps of maps whose keys are structs, on a kernel."""

from pathlib import Path

import pytest

from runner.results import Outcome
from tests.vm.conftest import Finished, guests, run

pytestmark = pytest.mark.vm

OBJECT = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct cell { __u16 row, column; };
struct sums { __u64 calls, bytes; };
struct inside {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct sums);
} first SEC(".maps"), second SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, struct cell);
	__array(values, struct inside);
} by_cell SEC(".maps") = { .values = {[1] = &first, [2] = &second} };
SEC("socket") int count(struct __sk_buff *skb)
{
	/* libbpf fills such a map by numbers: on x86_64, 2 is the row. */
	struct cell cell = {.row = 2};
	struct sums sums = {.calls = 1, .bytes = skb->len};
	__u32 key = 7;
	void *inner = bpf_map_lookup_elem(&by_cell, &cell);

	if (inner)
		bpf_map_update_elem(inner, &key, &sums, BPF_ANY);
	return 0;
}
char _license[] SEC("license") = "GPL";
"""
SUITE = """\
description: Cells.
cases:
  - name: cells
    object: cells.bpf.c
    trigger: [{test_run: count}]
    expect:
"""
HOLDS = """\
      - {map: by_cell, inner: {row: 2, column: 0}, key: 7, field: calls, equals: 1}
      - {map: by_cell, inner: {row: 2}, rows: [{key: 7, value: {calls: 1, bytes: 50}}]}
      - {map: by_cell, inner: 0x02 0x00 0x00 0x00, key: 7, field: bytes, equals: 50}
      - {map: by_cell, inner: {row: 1}, rows: []}
      - {map: by_cell, key: {row: 1}, equals: "${maps.first.id}"}
"""
SHOWN = """\
      - {map: by_cell, inner: {row: 2}, show: {type: hash, max_entries: 4}}
      - {map: by_cell, show: {type: hash_of_maps}}
"""
COMPARED = """\
      - {map: by_cell, inner: {row: 2}, agree: true}
      - {map: by_cell, inner: {row: 2}, show: [type, bytes_value], agree: true}
      - {map: by_cell, agree: true, normalise: {value: id}}
      - {map: by_cell, inner: {row: 2}, record: rows/}
      - {map: by_cell, inner: {row: 2}, field: bytes, record: rows/bytes.yaml}
"""
NOT_THERE = """\
      - {map: by_cell, inner: {row: 3}, rows: []}
"""
WRONG = """\
      - {map: by_cell, inner: 2, key: 7, field: calls, equals: 1}
      - {map: by_cell, inner: {row: 2}, key: seven, field: calls, equals: 1}
      - {map: by_cell, inner: {row: 2}, rows: [{key: 7, value: 1}]}
"""


def suite_of(folder: Path, expectations: str) -> Path:
    suite = folder / "cells"
    suite.mkdir()
    (suite / "cells.bpf.c").write_text(OBJECT)
    (suite / "suite.yaml").write_text(SUITE + expectations)
    return suite


def ran(folder: Path, expectations: str) -> Finished:
    suite = suite_of(folder, expectations)
    return run("--kernels", "6.1", "--suite", suite, reports=folder / "reports")


def test_a_key_that_is_a_struct_names_an_inner_map(tmp_path: Path) -> None:
    done = ran(tmp_path, HOLDS)

    case = done.case("cells")
    assert case.outcome is Outcome.PASSED, case.message
    assert done.status == 0


def test_keys_that_are_there_are_shown_as_structs(tmp_path: Path) -> None:
    case = ran(tmp_path, NOT_THERE).case("cells")

    assert case.failure_class == "wrong_value"
    (found,) = case.mismatches
    assert found.observed.startswith('no inner map at {"row": 3}; there are some at {')
    assert '{"row": 2, "column": 0}' in found.observed


def test_an_inner_map_is_shown(tmp_path: Path) -> None:
    case = ran(tmp_path, SHOWN).case("cells")

    assert case.outcome is Outcome.PASSED, case.message
    assert [it.subject for it in case.matches] == [
        *['map by_cell, inner map {"row": 2}'] * 2,
        "map by_cell",
    ]


def test_inner_maps_are_compared_with_those_of_other_kernels_and_with_a_record(
    tmp_path: Path,
) -> None:
    words = ("--suite", suite_of(tmp_path, COMPARED), "--kernels")

    first = run(*words, "6.1", "--update", reports=tmp_path / "first", CI="")
    both = run(*words, "5.10,6.1", reports=tmp_path / "both")

    rows = tmp_path / "cells/rows"
    assert first.status == 0, first.output + first.errors
    assert sorted(it.name for it in rows.iterdir()) == [
        "bytes.yaml",
        "cells-map-by_cell-row-2.yaml",
    ]
    text = (rows / "cells-map-by_cell-row-2.yaml").read_text()
    assert """subject: 'map by_cell, inner map {"row": 2}'""" in text
    assert both.status == 0, both.output + both.errors
    for case in both.results.cases:
        assert (case.outcome, case.checked) == (Outcome.PASSED, 5), case.message
        assert case.agreement is not None
        inner, shown, outer = case.agreement.found
        assert inner.rows == ({"key": 7, "value": {"calls": 1, "bytes": 50}},)
        assert shown.rows == ({"value": {"type": "hash", "bytes_value": 16}},)
        assert [it["value"] for it in outer.rows if isinstance(it, dict)] == [
            "${maps.first.id}",
            "${maps.second.id}",
        ]


def test_a_key_of_another_type_is_refused_before_the_boot(tmp_path: Path) -> None:
    done = ran(tmp_path, WRONG)

    assert done.status == 2
    told = [it for it in done.errors.splitlines() if "suite.yaml:" in it]
    for line, words in zip(
        (7, 8, 9),
        (
            "expect[0].inner: 2: the key of map by_cell is a mapping of the members of "
            "struct cell: row, column",
            "expect[1].key: 'seven': the key of the maps in by_cell is an integer of 4 "
            "bytes, 0 to 4294967295",
            "expect[2].rows[0].value: 1: a value of the maps in by_cell is a mapping "
            "of the members of struct sums: calls, bytes",
        ),
        strict=True,
    ):
        assert any(f"suite.yaml:{line}: cases[0].{words}" in it for it in told), told
    assert "Traceback" not in done.errors
    assert not guests(tmp_path)
    assert not (tmp_path / "reports/6.1/console.log").exists()
