"""Maps dumped without bpftool: the very values that bpftool prints."""

import contextlib
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.bpf import bpftool
from runner.bpf.bpftool import MapDump, MapRow
from runner.bpf.btf import parse
from runner.bpf.object import read
from runner.bpf.values import Formatter
from runner.case.rawdump import map_dump, with_ids, with_variables
from runner.errors import ArtifactError
from runner.guest.agent import AgentSession
from runner.guest.replies import LoadedObject, RawDump, RawRow
from tests.unit.guest.agent_process import PATIENCE, ROOT, build, compile_bpf, start

DATA = ROOT / "tests/data/bpftool"
# What `record` dumps of shapes.bpf.c; data sections are left to bpftool.
MAPS = (
    *("shapes", "cells", "totals", "per_cpu", "per_cpu_points", "empty", "names"),
    *("floats", "plain", "plain_cpu", "events"),
)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    source = (DATA / "shapes.bpf.c").read_text()
    return compile_bpf(source, tmp_path_factory.mktemp("shapes"))


# What shapes.bpf.c has not.
ODDITIES = """
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef char letter;
enum negative { BELOW = -1, ABOVE = 1 };
enum __attribute__((packed)) small { TINY = 1, LESS = -2 };

struct odd {
    char quoted[8];
    const char constant[4];
    letter letters[4];
    char row[2][4];
    bool many[2];
    enum negative below;
    enum small tiny[2];
    struct { } nothing;
    unsigned long long wide_bit : 40, other_bit : 24;
    _Bool flag : 1;
    int (*function)(int);
    const volatile struct odd *self;
    unsigned __int128 low;
    union { unsigned char byte; __u16 word; } one;
    char none[];
};

struct torn { __u32 first; float floats[2]; __u32 last; };

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct odd);
} odds SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 2);
    __type(key, char[4]);
    __type(value, struct torn);
} torn SEC(".maps");

SEC("socket")
int fill(struct __sk_buff *skb)
{
    struct torn broken = {1, {2, 3}, 4};
    char key[4] = "a'";
    __u32 zero = 0;
    struct odd *odd = bpf_map_lookup_elem(&odds, &zero);

    if (!odd)
        return 0;
    __builtin_memcpy(odd->quoted, "it's\\\"", 7);
    __builtin_memcpy(odd->letters, "abc", 4);
    __builtin_memcpy(odd->row[0], "abc", 4);
    odd->many[1] = true;
    odd->below = BELOW;
    odd->tiny[0] = LESS;
    odd->tiny[1] = 9;
    odd->wide_bit = 0x123456789a;
    odd->other_bit = 0xffffff;
    odd->flag = 1;
    odd->low = 5;
    odd->one.word = 0x1234;
    bpf_map_update_elem(&torn, key, &broken, BPF_ANY);
    return 0;
}

char _license[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def oddities(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_bpf(ODDITIES, tmp_path_factory.mktemp("oddities"))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentSession]:
    errors = tmp_path_factory.mktemp("agent") / "errors"
    with start(build(), errors) as process:
        yield AgentSession(process.channel)
        assert process.end() == 0, errors.read_text()


def filled(session: AgentSession, data: bytes) -> LoadedObject:
    opened = session.open(data, name="shapes", timeout=PATIENCE)
    found = session.load(opened.handle, timeout=PATIENCE)
    session.test_run(found.handle, "fill", data=bytes(64), timeout=PATIENCE)
    return found


@pytest.fixture(scope="module")
def loaded(session: AgentSession, shapes: bytes) -> LoadedObject:
    return filled(session, shapes)


@pytest.fixture(scope="module")
def loaded_oddities(session: AgentSession, oddities: bytes) -> LoadedObject:
    return filled(session, oddities)


def both(
    session: AgentSession, loaded: LoadedObject, data: bytes, name: str
) -> tuple[MapDump, MapDump]:
    """Dump a map without and with this machine's bpftool."""
    (info,) = [info for info in loaded.maps if info.name == name]
    assert info.id is not None
    printed = subprocess.run(
        bpftool.map_dump(info.id), capture_output=True, text=True
    ).stdout
    raw = session.dump(loaded.handle, name, timeout=PATIENCE)
    return map_dump(raw, read(data).btf), bpftool.parse_map_dump(printed)


@pytest.mark.parametrize("name", MAPS)
def test_a_map_is_dumped_as_this_machines_bpftool_does(
    session: AgentSession, loaded: LoadedObject, shapes: bytes, name: str
) -> None:
    ours, printed = both(session, loaded, shapes, name)

    assert ours == printed


@pytest.mark.parametrize("name", ["odds", "torn"])
def test_odd_types_are_dumped_as_this_machines_bpftool_does(
    session: AgentSession, loaded_oddities: LoadedObject, oddities: bytes, name: str
) -> None:
    ours, printed = both(session, loaded_oddities, oddities, name)

    assert ours == printed
    assert ours.rows


def test_global_data_is_left_to_bpftool(
    session: AgentSession, loaded: LoadedObject, shapes: bytes
) -> None:
    (name,) = [info.name for info in loaded.maps if info.name.endswith(".data")]

    with pytest.raises(ArtifactError, match="bpftool formats"):
        both(session, loaded, shapes, name)


def test_an_object_without_btf_is_refused() -> None:
    with pytest.raises(ArtifactError, match="refers to type 5, but has only 0"):
        Formatter(parse(EMPTY)).value(5, b"")


EMPTY = bytes.fromhex("9feb0100 18000000 00000000 00000000 00000000 01000000 00")


def types_of(*types: bytes) -> Formatter:
    """Return types of what stands in a BTF file's table."""
    table = b"".join(types)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(table), len(table), 1)
    return Formatter(parse(header + table + b"\0"))


def a_type(kind: int, size: int, *words: int, count: int = 0) -> bytes:
    return struct.pack(f"<III{len(words)}I", 0, kind << 24 | count, size, *words)


def test_types_that_go_in_circles_are_refused() -> None:
    # typedef 1 of type 2, const 2 of type 1.
    circle = types_of(a_type(8, 2), a_type(10, 1))

    with pytest.raises(ArtifactError, match="circles"):
        circle.value(1, bytes(8))


def test_a_struct_within_itself_is_refused() -> None:
    itself = types_of(a_type(4, 8, 0, 1, 0, count=1))

    with pytest.raises(ArtifactError, match="damaged"):
        itself.value(1, bytes(8))


def test_types_that_would_never_end_are_refused() -> None:
    # Each an array of a thousand of the one before it, of no size at all.
    arrays = [a_type(4, 0)]
    arrays += [a_type(3, 0, number, number, 1000) for number in range(1, 6)]

    with pytest.raises(ArtifactError, match="more than"):
        types_of(*arrays).value(6, b"")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_btf_is_an_error_and_no_crash(
    shapes: bytes, data: st.DataObject
) -> None:
    whole = bytearray(read(shapes).btf.data)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(24, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    value = data.draw(st.binary(min_size=8, max_size=300))
    type_ = data.draw(st.integers(0, 40))
    raw = RawDump(
        rows=(RawRow(key=value[:4], value=value),), key_type=type_, value_type=type_
    )

    # ArtifactError is what users are told of; anything else would be a bug here.
    with contextlib.suppress(ArtifactError):
        map_dump(raw, parse(bytes(whole)))


def test_global_data_without_btf_is_named_by_the_objects_own(
    shapes: bytes,
) -> None:
    # `seen_count` and `seen_again`, as bpftool shows them where the map has its BTF.
    (row,) = bpftool.parse_map_dump(
        (DATA / "map-dump-shapes_data.json").read_text()
    ).rows
    plain = MapDump(rows=(replace(row, formatted_value=None),))

    named = with_variables(plain, "shapes.data", shapes)

    assert named.rows == (row,)


def test_what_bpftool_has_named_stays(shapes: bytes) -> None:
    dump = MapDump(rows=(MapRow(key=b"\0", value=b"\1", formatted_value={"v": 1}),))

    assert with_variables(dump, "shapes.data", shapes) is dump


def test_maps_of_other_names_stay(shapes: bytes) -> None:
    dump = MapDump(rows=(MapRow(key=b"\0", value=b"\1"),))

    assert with_variables(dump, "cells", shapes) is dump


OF_MAPS = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct cell { __u16 row, column; };
struct inside {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 2);
    __type(key, struct cell);
    __array(values, struct inside);
} by_cell SEC(".maps");
SEC("socket") int use(void *context)
{
    return !bpf_map_lookup_elem(&by_cell, context);
}
"""
# What bpftool shows: libbpf gives maps of maps no BTF.
BY_CELL = MapDump(
    rows=(
        MapRow(key=b"\1\0\2\0", value=b"\x0b\0\0\0"),
        MapRow(key=b"\3\0\4\0", error="No such file or directory"),
    )
)


def test_keys_of_a_map_of_maps_are_formatted_and_its_values_are_ids(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = compile_bpf(OF_MAPS, tmp_path_factory.mktemp("of_maps"))

    first, empty = with_ids(BY_CELL, "by_cell", data).rows

    assert first.formatted_key == {"row": 1, "column": 2}
    assert first.formatted_value == 11
    assert empty.formatted_key == {"row": 3, "column": 4}
    assert (empty.formatted_value, empty.error) == (None, "No such file or directory")


def test_of_a_map_that_nobody_describes_only_the_ids_are_known(shapes: bytes) -> None:
    first, _ = with_ids(BY_CELL, "by_cell", shapes).rows

    assert (first.formatted_key, first.formatted_value) == (None, 11)
