"""Names of a suite that its objects lack, found before any kernel."""

import shutil
from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.case import namecheck
from runner.errors import UsageError
from runner.suites import suitefile
from tests.unit.guest.agent_process import compile_bpf

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum kind { SMALL, LARGE };
struct inner { __u32 x, y; };
struct seen {
	struct inner place;
	__u32 sizes[3];
	char comm[16];
	enum kind kind;
	__u32 bits : 3;
};
struct cell { __u16 row, column; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, struct cell);
	__type(value, struct seen);
} cells SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 8);
	__uint(value_size, 4);
} plain SEC(".maps");
struct inside {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct inner);
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, struct cell);
	__array(values, struct inside);
} outer SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} open SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u16);
} totals SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 8);
} devices SEC(".maps");
struct { int least; } range;
const volatile int step = 1;

SEC("socket")
int count(void *ctx)
{
	struct cell key = {};
	range.least = step;
	return !bpf_map_lookup_elem(&cells, &key) + !bpf_map_lookup_elem(&plain, &key);
}
char _license[] SEC("license") = "GPL";
"""
SUITE = """\
description: d
cases:
  - name: one
    object: mine.bpf.o
    trigger: [{trigger}]
    expect:
      - {expectation}
"""
RIGHT = "{map: cells, field: bits, equals: 1}"


class Memory:
    """Keeps one value."""

    def __init__(self) -> None:
        self.kept: JsonValue = None

    def recall(self, name: str) -> JsonValue:
        """Return it."""
        return self.kept

    def remember(self, name: str, value: JsonValue) -> None:
        """Keep it."""
        self.kept = value


class Compiler:
    """Takes objects as they are, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, source: Path, *_: object) -> Path:
        """Return the object."""
        self.asked += 1
        return source


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    compile_bpf(SOURCE, folder)
    return folder / "test.bpf.o"


@pytest.fixture
def folder(compiled: Path, tmp_path: Path) -> Path:
    made = tmp_path / "suite"
    made.mkdir()
    shutil.copy(compiled, made / "mine.bpf.o")
    return made


def mistakes(
    folder: Path, expectation: str = RIGHT, trigger: str = "{sleep: 1}"
) -> list[str]:
    path = folder / "suite.yaml"
    text = SUITE.replace("{expectation}", expectation).replace("{trigger}", trigger)
    path.write_text(text)
    try:
        namecheck.check([suitefile.load(path)], Compiler(), Memory())
    except UsageError as error:
        return error.message.replace(f"{folder}/", "").splitlines()
    return []


@pytest.mark.parametrize(
    "expectation",
    [
        RIGHT,
        "{map: cells, field: place.x, equals: 1}",
        "{map: cells, field: 'sizes[2]', equals: 1}",
        "{map: cells, field: 'comm[15]', equals: 0}",
        "{map: cells, field: comm, equals: init}",
        "{map: cells, field: kind, equals: LARGE}",
        "{map: cells, field: bits, equals: 1}",
        "{map: cells, key: {row: 1}, field: place, equals: {x: 1, y: 2}}",
        "{map: cells, rows: [{key: {row: 1, column: 2}, value: '${agent.pid}'}]}",
        "{map: cells, key: 0x01 0x00 0x02 0x00, field: kind, between: [2, 3]}",
        "{map: cells, key: 0x00020001, raw: true, equals: 1, mask: 1}",
        "{map: plain, equals: 1}",
        "{map: mine.bss, field: range.least, equals: 1}",
        "{map: .rodata, field: step, equals: 1}",
        "{map: cells, show: {type: hash}}",
        "{map: outer, inner: {row: 1, column: 2}, key: 0, field: x, equals: 1}",
        "{map: outer, inner: {row: 1}, rows: [{key: 0, value: {x: 1, y: 2}}]}",
        "{program: count, show: {type: socket_filter}}",
        "{map: outer, inner: {row: 1}, show: {type: array}}",
        "{map: outer, inner: {row: 1}, field: x, agree: true}",
        "{map: outer, inner: {row: 1}, normalise: {value.x: pid}, record: m.yaml}",
    ],
)
def test_what_the_object_has_may_be_named(folder: Path, expectation: str) -> None:
    assert not mistakes(folder, expectation)


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        (
            "{map: cell, equals: 1}",
            "7: cases[0].expect[0].map: 'cell': no such map; did you mean 'cells'?",
        ),
        (
            "{map: cells, field: place.z, equals: 1}",
            "7: cases[0].expect[0].field: map cells: no such field 'z'; there are x, y",
        ),
        (
            "{map: cells, field: knid, equals: 1}",
            "7: cases[0].expect[0].field: map cells: no such field 'knid'; did you "
            "mean 'kind'?",
        ),
        (
            "{map: cells, field: 'sizes[3]', equals: 1}",
            "7: cases[0].expect[0].field: map cells: no element [3]; there are 3",
        ),
        (
            "{map: mine.bss, field: range.most, equals: 1}",
            "7: cases[0].expect[0].field: map mine.bss: no such field 'most'; there "
            "are least",
        ),
        (
            "{map: cells, key: {rwo: 1}, field: kind, equals: SMALL}",
            "7: cases[0].expect[0].key.rwo: 'rwo': no such field; did you mean 'row'?",
        ),
        (
            "{map: outer, inner: {row: 1}, rows: [{value: {z: 1}}]}",
            "7: cases[0].expect[0].rows[0].value.z: 'z': no such field; there are x, y",
        ),
        (
            "{map: cells, inner: 0, key: {row: 1}, equals: 1}",
            "7: cases[0].expect[0].inner: map cells is not a map of maps; leave out "
            "`inner`",
        ),
        (
            "{map: mine.bss, inner: 0, rows: []}",
            "7: cases[0].expect[0].inner: map mine.bss is not a map of maps; leave out "
            "`inner`",
        ),
        (
            "{map: outer, inner: {rwo: 1}, key: 0, field: x, equals: 1}",
            "7: cases[0].expect[0].inner.rwo: 'rwo': no such field; did you mean "
            "'row'?",
        ),
        (
            "{map: outer, inner: {row: 1}, key: 0, field: z, equals: 1}",
            "7: cases[0].expect[0].field: the maps in outer: no such field 'z'; there "
            "are x, y",
        ),
        (
            "{program: cuont, show: {type: kprobe}}",
            "7: cases[0].expect[0].program: 'cuont': no such program; did you mean "
            "'count'?",
        ),
        (
            "{program: other, xlated: [{number: 1}]}",
            "7: cases[0].expect[0].program: 'other': no such program; there are count",
        ),
    ],
)
def test_what_the_object_lacks_is_told_by_its_line(
    folder: Path, expectation: str, said: str
) -> None:
    assert mistakes(folder, expectation) == [f"suite.yaml:{said}"]


@pytest.mark.parametrize(
    "expectation",
    [
        "{map: totals, key: 0, cpu: sum, equals: 1000000}",
        "{map: totals, key: 0, cpu: any, equals: 65535}",
        "{map: totals, rows: [{key: 0, value: [1, 2]}]}",
        "{map: devices, key: 0, equals: 02 00 00 00 00 00 00 00}",
        "{map: mine.bss, equals: {range: {least: -1}}}",
        "{map: open, inner: 4, equals: what nobody knows}",
    ],
)
def test_what_the_types_can_hold_may_be_expected(
    folder: Path, expectation: str
) -> None:
    assert not mistakes(folder, expectation)


STRUCT_KEY = "a mapping of the members of struct cell: row, column"
INTEGER_KEY = "an integer of 4 bytes, 0 to 4294967295"


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        (
            "{map: cells, key: 1, field: kind, equals: LARGE}",
            f"key: 1: the key of map cells is {STRUCT_KEY}",
        ),
        (
            "{map: cells, key: {row: 70000}, field: kind, equals: LARGE}",
            "key.row: 70000: row in the key of map cells is an integer of 2 bytes, 0 "
            "to 65535",
        ),
        (
            "{map: outer, inner: 1, key: 0, field: x, equals: 1}",
            f"inner: 1: the key of map outer is {STRUCT_KEY}",
        ),
        (
            "{map: outer, inner: 1, rows: []}",
            f"inner: 1: the key of map outer is {STRUCT_KEY}",
        ),
        (
            "{map: outer, inner: {row: one}, key: 0, field: x, equals: 1}",
            "inner.row: 'one': row in the key of map outer is an integer of 2 bytes, "
            "0 to 65535",
        ),
        (
            "{map: outer, inner: 1, show: {type: array}}",
            f"inner: 1: the key of map outer is {STRUCT_KEY}",
        ),
        (
            "{map: outer, inner: 1, agree: true}",
            f"inner: 1: the key of map outer is {STRUCT_KEY}",
        ),
        (
            "{map: cells, inner: {row: 1}, record: m.yaml}",
            "inner: map cells is not a map of maps; leave out `inner`",
        ),
        (
            "{map: outer, inner: {row: 1}, field: z, agree: true}",
            "field: the maps in outer: no such field 'z'; there are x, y",
        ),
        (
            "{map: outer, inner: {row: 1}, ignore: [value.z], agree: true}",
            "ignore[0]: the maps in outer: no such field 'z'; there are x, y",
        ),
        (
            "{map: outer, inner: {row: 1}, ignore: [key, value.x, value.y], agree: "
            "true}",
            "ignore: the maps in outer: nothing is left to compare",
        ),
        (
            "{map: open, inner: [0, 1], equals: 1}",
            f"inner: [0, 1]: the key of map open is {INTEGER_KEY}",
        ),
        (
            "{map: open, inner: {row: 1}, equals: 1}",
            f'inner: {{"row": 1}}: the key of map open is {INTEGER_KEY}',
        ),
        (
            "{map: open, inner: small, equals: 1}",
            f"inner: 'small': the key of map open is {INTEGER_KEY}",
        ),
        (
            "{map: open, key: 0, equals: {id: 1}}",
            f'equals: {{"id": 1}}: a value of map open is {INTEGER_KEY}',
        ),
        (
            "{map: outer, inner: {row: 1}, key: {row: 1}, field: x, equals: 1}",
            f'key: {{"row": 1}}: the key of the maps in outer is {INTEGER_KEY}',
        ),
        (
            "{map: outer, inner: {row: 1}, rows: [{key: 0, value: 7}]}",
            "rows[0].value: 7: a value of the maps in outer is a mapping of the "
            "members of struct inner: x, y",
        ),
        (
            "{map: cells, rows: [{key: 1}]}",
            f"rows[0].key: 1: the key of map cells is {STRUCT_KEY}",
        ),
        (
            "{map: outer, inner: {row: 1}, rows: [{key: 0, value: {x: 7}}]}",
            "rows[0].value: a value of the maps in outer is compared with all of its "
            "members, and y is missing",
        ),
        (
            "{map: cells, field: place.x, equals: [1]}",
            "equals: [1]: place.x in a value of map cells is an integer of 4 bytes, 0 "
            "to 4294967295",
        ),
        (
            "{map: .rodata, field: step, equals: 5000000000}",
            "equals: 5000000000: step in a value of map .rodata is an integer of 4 "
            "bytes, -2147483648 to 2147483647",
        ),
        (
            "{map: mine.bss, equals: {ranges: {least: 1}}}",
            "equals.ranges: 'ranges': no such field; did you mean 'range'?",
        ),
        (
            "{map: totals, key: 0, equals: 1}",
            "map totals has a value for each CPU; set cpu: N, sum or any",
        ),
        (
            "{map: totals, rows: [{key: 0, value: 1}]}",
            "rows[0].value: 1: map totals has a value for each CPU; write a list of "
            "them",
        ),
        (
            "{map: totals, rows: [{key: 0, value: [1, -1]}]}",
            "rows[0].value[1]: -1: a value of map totals is an integer of 2 bytes, 0 "
            "to 65535",
        ),
        (
            "{map: cells, field: bits, cpu: sum, equals: 1}",
            "cpu: map cells is not a per-CPU map; leave out `cpu`",
        ),
        (
            "{map: devices, key: 0, equals: {ifindex: 1}}",
            'equals: {"ifindex": 1}: a value of map devices is 8 bytes that nothing '
            'formats: a number, or text such as "0x01 0x02"',
        ),
        (
            "{map: cells, key: {row: 1}, raw: true, equals: 0x01 0x02}",
            "equals: '0x01 0x02': a value of map cells is 44 bytes that nothing "
            'formats: a number, or text such as "0x01 0x02"',
        ),
    ],
)
def test_what_the_types_can_not_hold_is_told_before_the_boot(
    folder: Path, expectation: str, said: str
) -> None:
    place = "expect[0]: " if said.startswith("map totals") else "expect[0]."
    assert mistakes(folder, expectation) == [f"suite.yaml:7: cases[0].{place}{said}"]


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        (
            "{map: open, inner: null, equals: 1}",
            "inner: null is not a key of a map in it",
        ),
        ("{map: open, inner: , rows: []}", "inner: null is not a key of a map in it"),
        ("{map: open, key: null, equals: 1}", "key: null is not a key; write one, or"),
        ("{map: open, key: 0, equals: null}", "equals: null is not a value that a map"),
        ("{map: open, rows: [{key: null}]}", "rows[0].key: null is not a key"),
        ("{map: cells, key: {row: null}, field: bits, equals: 1}", "key.row: null: "),
    ],
)
def test_null_is_nothing_that_a_map_has(
    folder: Path, expectation: str, said: str
) -> None:
    path = folder / "suite.yaml"
    text = SUITE.replace("{expectation}", expectation).replace("{trigger}", "sleep: 1")
    path.write_text(text)

    with pytest.raises(UsageError) as caught:
        namecheck.check([suitefile.load(path)], Compiler(), Memory())

    assert f":7: cases[0].expect[0].{said}" in caught.value.message


def test_other_sizes_than_those_of_the_types_are_left_to_the_boot(
    folder: Path,
) -> None:
    keys = "maps: {cells: {value_size: 96}}"

    assert not mistakes(folder, f"{{map: cells, key: 1, equals: 1}}\n    {keys}")


def test_an_inner_map_is_like_the_one_that_the_loader_sets(folder: Path) -> None:
    keys = "maps: {open: {inner_map: cells}}"
    right = "{map: open, inner: 0, key: {row: 1}, field: kind, equals: LARGE}"
    wrong = "{map: open, inner: 0, rows: [{key: {row: 1}, value: {knid: 1}}]}"

    assert not mistakes(folder, f"{right}\n    {keys}")
    (said,) = mistakes(folder, f"{wrong}\n    {keys}")
    assert said.endswith(
        "expect[0].rows[0].value.knid: 'knid': no such field; did you mean 'kind'?"
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("map: mine.bss, ignore: [value.range]", "nothing is left to compare"),
        ("map: mine.bss, ignore: [value.range.least]", "nothing is left to compare"),
        ("map: mine.bss, normalise: {value.range: any}", "nothing is left to compare"),
        (
            "map: mine.bss, field: range, ignore: [value.least]",
            "nothing is left to compare",
        ),
        (
            "map: cells, field: place, ignore: [key.row, key.column, value.x, value.y]",
            "nothing is left to compare",
        ),
        (
            "map: cells, field: sizes, ignore: ['value[]']",
            "nothing is left of the field sizes",
        ),
        (
            "map: cells, field: place, ignore: [value.x, value.y]",
            "nothing is left of the field place",
        ),
    ],
)
def test_members_that_are_ignored_one_by_one_may_leave_nothing(
    folder: Path, keys: str, said: str
) -> None:
    for way in ("agree: true", "record: m.yaml"):
        (found,) = mistakes(folder, f"{{{keys}, {way}}}")

        assert found.startswith("suite.yaml:7: cases[0].expect[0].")
        assert found.endswith(said)


@pytest.mark.parametrize(
    "keys",
    [
        "map: cells, field: sizes, ignore: ['value[0]', 'value[1]']",
        "map: cells, ignore: [value.place, value.sizes, key]",
        "map: cells, field: place, normalise: {value: any}",
        "map: cells, normalise: {key: any, value: any, value.bits: as_is}",
        'map: mine.bss, normalise: {value.range: "${agent.pid}"}',
        "map: plain, ignore: [value.a]",
        "map: cells, show: [type], ignore: [value.tag]",
    ],
)
def test_one_value_that_is_left_is_enough(folder: Path, keys: str) -> None:
    assert not mistakes(folder, f"{{{keys}, agree: true}}")


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("{test_run: cuont}", "trigger[0].test_run: 'cuont': no such program; did"),
        ("{drain: cels, struct: seen}", "trigger[0].drain: 'cels': no such map; did"),
        ("{drain: cells, struct: sen}", "trigger[0].struct: the BTF has no struct sen"),
        (
            "{drain: cells, struct: inner, where: {z: 1}}",
            "trigger[0].where.z: 'z': no such field; there are x, y",
        ),
    ],
)
def test_triggers_are_looked_at_too(folder: Path, trigger: str, said: str) -> None:
    (found,) = mistakes(folder, trigger=trigger)

    assert found.startswith(f"suite.yaml:5: cases[0].{said}")


def test_an_object_that_can_not_be_read_is_left_to_its_case(folder: Path) -> None:
    (folder / "mine.bpf.o").write_text("no object")

    assert not mistakes(folder, "{map: nothing, equals: 1}")


def test_every_cut_object_is_left_to_its_case(folder: Path, compiled: Path) -> None:
    data = compiled.read_bytes()
    for end in range(0, len(data), 97):
        (folder / "mine.bpf.o").write_bytes(data[:end])
        assert not mistakes(folder)


def test_a_suite_that_was_right_is_not_looked_at_again(folder: Path) -> None:
    mistakes(folder)
    memory, compiler = Memory(), Compiler()
    for _ in range(2):
        namecheck.check([suitefile.load(folder / "suite.yaml")], compiler, memory)
    assert compiler.asked == 1

    (folder / "mine.bpf.o").write_bytes(b"another one")
    namecheck.check([suitefile.load(folder / "suite.yaml")], compiler, memory)
    assert compiler.asked == 2


def settings(folder: Path, text: str) -> list[str]:
    return mistakes(folder, f"{RIGHT}\n    {text}")


@pytest.mark.parametrize(
    "text",
    [
        "maps: {cells: {max_entries: 64}}",
        "variables: {step: 7}",
        # A reference's value is not known yet.
        'variables: {step: "${kernel.id}"}',
        'variables: {range: {least: "${agent.pid}"}}',
        'maps: {cells: {rows: [{key: {row: "${agent.pid}"}, value: {}}]}}',
        "variables: {range: {least: 7}}",
        "programs: {count: {attach: kprobe/f}}",
    ],
)
def test_what_is_there_may_be_set(folder: Path, text: str) -> None:
    assert not settings(folder, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "maps: {cell: {max_entries: 64}}",
            "8: cases[0].maps.cell: 'cell': no such map; did you mean 'cells'?",
        ),
        (
            "variables: {stpe: 7}",
            "8: cases[0].variables.stpe: 'stpe': no such variable; did you mean "
            "'step'?",
        ),
        (
            "variables: {step: many}",
            "8: cases[0].variables.step: step: must be a number, not 'many'",
        ),
        # One reference does not hide what is next to it.
        (
            'variables: {range: {least: "${agent.pid}", most: 1}}',
            "8: cases[0].variables.range: range: 'most': no such member; there are "
            "least",
        ),
        (
            'maps: {cells: {rows: [{key: {row: "${agent.pid}"}, value: 1}]}}',
            "8: cases[0].maps.cells.rows[0]: value: must be a mapping of members, not "
            "1",
        ),
        (
            "programs: {count: {attach: fentry/vfs_read}}",
            "8: cases[0].programs.count.attach: 'fentry/vfs_read': the program is of "
            "the section socket",
        ),
        (
            'programs: {count: {attach: {">=5.5": lsm/file_open}}}',
            "8: cases[0].programs.count.attach.>=5.5: 'lsm/file_open': the program is "
            "of the section socket",
        ),
        (
            "extends: {object: mine.bpf.o, program: cuont}",
            "8: cases[0].extends.program: 'cuont': no such program; did you mean "
            "'count'?",
        ),
    ],
)
def test_what_can_not_be_set_is_told(folder: Path, text: str, said: str) -> None:
    assert settings(folder, text) == [f"suite.yaml:{said}"]


def test_fields_of_a_drain_are_those_that_it_names(folder: Path) -> None:
    drain = "drain: plain, fields: {pid: s32@8}"

    assert not mistakes(folder, trigger=f"{{{drain}, where: {{pid: 1}}}}")
    (said,) = mistakes(folder, trigger=f"{{{drain}, where: {{pdi: 1}}}}")
    assert "'pdi': no such field; did you mean 'pid'?" in said
    (said,) = mistakes(folder, trigger=f"{{{drain}, where: {{pid: self}}}}")
    assert said == (
        "suite.yaml:5: cases[0].trigger[0].where.pid: 'self': pid in a record is an "
        "integer of 4 bytes, -2147483648 to 2147483647"
    )
    # Of a record that ends before the field.
    assert not mistakes(folder, trigger=f"{{{drain}, where: {{pid: null}}}}")


def test_a_kernel_whose_types_are_unavailable_is_told(folder: Path) -> None:
    def without_btf(*_: object) -> Path:
        raise UsageError("vmlinux: 4.4 has no BTF: none was found")

    path = folder / "suite.yaml"
    text = SUITE.replace("{expectation}", RIGHT).replace("{trigger}", "{sleep: 1}")
    path.write_text(text.replace("    trigger", '    vmlinux: "4.4"\n    trigger'))

    with pytest.raises(UsageError) as caught:
        namecheck.check([suitefile.load(path)], without_btf, Memory())

    assert caught.value.message == (
        f"{path}:5: cases[0].vmlinux: 4.4 has no BTF: none was found"
    )
