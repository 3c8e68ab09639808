"""Objects in the other byte order."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.bpf import btf
from runner.bpf import object as bpf_object
from runner.bpf.object import BpfObject, ObjectError
from runner.bpf.swapped import in_order, swapped
from tests.unit.preflight.made import an_object

SOURCE = """\
struct task { int pid; unsigned int flag:3; } CORE;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int);
		__type(value, long); } seen SEC(".maps");
unsigned int number SEC("version") = 0x01020304;
static __noinline long less(long x) { return x < 0x12345678 ? x : -2; }
SEC("kprobe/a") int on_a(struct task *task)
{
	int key = 0;
	long *value = bpf_map_lookup_elem(&seen, &key);
	if (value)
		*value = less(bpf_core_field_offset(struct task, pid));
	return 0;
}
"""
BOTH = ("bpfel", "bpfeb")


@pytest.mark.parametrize("target", BOTH)
def test_twice_is_the_same(target: str) -> None:
    item = an_object(SOURCE, "-target", target)
    once = bpf_object.read(swapped(item))

    assert once.data != item.data
    assert once.order != item.order
    assert swapped(once) == item.data


@pytest.mark.parametrize("target", BOTH)
def test_it_says_the_same(target: str) -> None:
    item = an_object(SOURCE, "-target", target)
    other = bpf_object.read_whole(swapped(item))

    assert other.code == item.code
    assert other.symbols == item.symbols
    assert other.links == item.links
    assert other.debug == item.debug
    assert list(other.btf.types()) == list(item.btf.types())
    assert {other.btf.order, item.btf.order} == set(btf.MAGICS.values())
    version, as_it_was = other.section("version"), item.section("version")
    assert version is not None
    assert as_it_was is not None
    assert version.data == as_it_was.data[::-1]


def test_it_is_as_the_compiler_makes_it_for_the_other_target() -> None:
    little, big = (an_object(SOURCE, "-target", it) for it in BOTH)

    assert bpf_object.read_whole(swapped(little)).code == big.code


def test_one_of_that_order_is_left_as_it_is() -> None:
    item = an_object(SOURCE)

    assert in_order(item, "<") is item.data
    assert in_order(item, ">") == swapped(item)


@settings(deadline=None, max_examples=300)
@given(
    target=st.sampled_from(BOTH),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12
    ),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_damage_is_an_object_error_or_an_object(
    target: str, changes: list[tuple[float, int]], kept: float
) -> None:
    found = bytearray(an_object(SOURCE, "-target", target).data)
    for place, byte in changes:
        found[int(place * len(found))] = byte
    damaged = bytes(found[: round(len(found) * kept)])

    with suppress(ObjectError):
        item: BpfObject = bpf_object.read(damaged)
        assert len(swapped(item)) == len(damaged)


@settings(deadline=None, max_examples=300)
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12
    ),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_damaged_big_endian_btf_is_an_error_or_btf(
    changes: list[tuple[float, int]], kept: float
) -> None:
    found = bytearray(an_object(SOURCE, "-target", "bpfeb").btf_data)
    for place, byte in changes:
        found[int(place * len(found))] = byte

    with suppress(btf.BtfError):
        read = btf.parse(bytes(found[: round(len(found) * kept)]))
        for type_ in read.types():
            list(read.members(type_))
            list(read.enumerators(type_))
