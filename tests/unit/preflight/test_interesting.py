"""Which kernels stand for which."""

from collections.abc import Hashable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from runner.preflight.check import Result
from runner.preflight.cover import smallest_cover
from runner.preflight.interesting import grouped
from runner.preflight.targets import BtfSource
from tests.unit.preflight.made import an_object, checked, kernel

OBJECT = an_object("""\
struct task { int pid; } CORE;
SEC("kprobe/a") int on_a(struct task *task)
{
	return bpf_core_field_offset(struct task, pid);
}
""")


def result(name: str, types: str, version: str = "6.1") -> Result:
    """Return a kernel that has these types."""
    return Result(
        source=BtfSource(name=name, path=Path(name), version=None),
        predictions=(checked(OBJECT, kernel(types), version),),
    )


RESULTS = {
    "a": result("a", "struct task { int pid; } x;"),
    # What the object does not read makes no difference.
    "b": result("b", "struct task { int pid; int other; } x;"),
    "c": result("c", "struct task { int other; int pid; } x;"),
    "d": result("d", "struct task { int __pid; } x;"),
}


def test_kernels_of_one_behaviour_are_booted_once() -> None:
    assert grouped("abcd", RESULTS) == {"a": ("b",), "c": (), "d": ()}


def test_the_first_of_the_matrix_stands_for_the_others() -> None:
    assert grouped("bca", RESULTS) == {"b": ("a",), "c": ()}


def test_what_can_not_be_predicted_is_booted() -> None:
    damaged = replace(RESULTS["a"], predictions=(), error="truncated")

    assert grouped("xab", {**RESULTS, "b": damaged}) == {"x": (), "a": (), "b": ()}


def several(name: str, *objects: str) -> Result:
    """Return a kernel on which each object does what it does on another one."""
    return Result(
        source=RESULTS[objects[0]].source,
        predictions=tuple(RESULTS[it].predictions[0] for it in objects),
    )


def test_each_object_s_behaviours_are_shown_by_the_fewest_boots() -> None:
    # Two objects of two behaviours: two kernels show all four.
    results = {
        "1": several("1", "a", "a"),
        "2": several("2", "a", "c"),
        "3": several("3", "c", "a"),
        "4": several("4", "c", "c"),
    }

    assert grouped("1234", results) == {"1": ("2", "3"), "4": ("2", "3")}


# What takes most at each step takes the last one first.
@example([frozenset("ace"), frozenset("bdf"), frozenset("abcd")])
@given(st.lists(st.frozensets(st.integers(0, 7)), max_size=7))
def test_no_smaller_choice_covers_as_much(sets: list[frozenset[Hashable]]) -> None:
    everything = frozenset().union(*sets)
    chosen = smallest_cover(sets)

    assert frozenset().union(*(sets[it] for it in chosen)) == everything
    fewer = combinations(sets, max(0, len(chosen) - 1))
    assert not chosen or all(frozenset().union(*it) < everything for it in fewer)


def test_what_overlaps_in_every_way_is_covered_in_time() -> None:
    dice = Random(1)
    sets = [frozenset((it, dice.randrange(20)) for it in range(25)) for _ in range(300)]
    everything = frozenset().union(*sets)

    chosen = smallest_cover(sets)

    assert frozenset().union(*(sets[it] for it in chosen)) == everything
    assert len(chosen) < 60
