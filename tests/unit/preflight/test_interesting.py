"""Which kernels stand for which."""

from dataclasses import replace
from pathlib import Path

from runner.preflight.check import Result
from runner.preflight.interesting import grouped
from runner.preflight.targets import Source
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
        source=Source(name=name, path=Path(name), version=None),
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
