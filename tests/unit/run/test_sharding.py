import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.results import CaseResult, KernelRun, Outcome, RunResults
from runner.run import sharding
from runner.run.sharding import Part, partition

# Also what no run writes.
TIMINGS = st.dictionaries(st.text("0123456789.", max_size=2), st.floats())
KERNELS = st.lists(st.text("0123456789.", min_size=1, max_size=2), unique=True)


def test_kernels_without_history_are_spread_evenly() -> None:
    assert partition(["a", "b", "c", "d", "e"], 2, {}) == (("a", "c", "e"), ("b", "d"))


def test_long_kernels_are_kept_apart() -> None:
    seconds = {"a": 1.0, "b": 1.0, "c": 10.0, "d": 9.0}

    assert partition(["a", "b", "c", "d"], 2, seconds) == (("b", "c"), ("a", "d"))


def test_a_kernel_that_never_ran_counts_as_the_usual_one() -> None:
    seconds = {"a": 30.0, "b": 10.0, "gone": 1000.0}

    assert partition(["a", "b", "new"], 2, seconds) == (("a",), ("b", "new"))


def test_there_may_be_more_parts_than_kernels() -> None:
    assert partition(["a"], 3, {}) == (("a",), (), ())


ARM = {"c": "arm64", "d": "arm64"}


def test_no_part_has_two_architectures_if_there_are_enough_parts() -> None:
    kernels = ["a", "c", "b", "d"]

    assert partition(kernels, 2, {}, ARM) == (("a", "b"), ("c", "d"))
    # The longer ones get the third part.
    seconds = {"a": 9.0, "b": 9.0, "c": 1.0, "d": 1.0}
    assert partition(kernels, 3, seconds, ARM) == (("a",), ("b",), ("c", "d"))
    slow = {"a": 1.0, "b": 1.0, "c": 9.0, "d": 9.0}
    assert partition(kernels, 3, slow, ARM) == (("a", "b"), ("c",), ("d",))
    # More than kernels: the rest is empty.
    assert sorted(partition(kernels, 6, slow, ARM)) == [
        *((), ()),
        *(("a",), ("b",), ("c",), ("d",)),
    ]


def test_too_few_parts_are_spread_as_ever() -> None:
    kernels = ["a", "c", "b", "d"]

    assert partition(kernels, 1, {}, ARM) == (("a", "c", "b", "d"),)


@given(KERNELS, st.integers(1, 8), TIMINGS, st.data())
def test_every_kernel_is_in_one_part(
    kernels: list[str], count: int, seconds: dict[str, float], data: st.DataObject
) -> None:
    names = st.sampled_from(["x86_64", "arm64", "s390x"])
    architectures = {it: data.draw(names) for it in kernels}
    parts = partition(kernels, count, seconds, architectures)
    if count >= len(set(architectures.values())):
        assert all(len({architectures[it] for it in part}) < 2 for part in parts)

    assert len(parts) == count
    assert sorted(it for part in parts for it in part) == sorted(kernels)
    assert all(list(part) == [it for it in kernels if it in part] for part in parts)


@given(KERNELS, st.integers(1, 8), st.data())
def test_no_part_is_longer_than_the_others_by_more_than_a_kernel(
    kernels: list[str], count: int, data: st.DataObject
) -> None:
    seconds = {it: data.draw(st.integers(1, 900)) * 1.0 for it in kernels}
    loads = [
        sum(seconds[it] for it in part) for part in partition(kernels, count, seconds)
    ]

    assert max(loads) - min(loads) <= max(seconds.values(), default=0)


@pytest.mark.parametrize(
    "text", ["", "2", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1/²", " 1/2"]
)
def test_a_part_is_one_of_several(text: str) -> None:
    with pytest.raises(UsageError, match="must be K/N, with K from 1 to N"):
        Part.parse(text)


def test_a_part_is_shown_as_it_was_written() -> None:
    assert str(Part.parse("2/3")) == "2/3"


def test_seconds_are_those_of_guests_and_cases() -> None:
    def case(kernel: str, duration: float) -> CaseResult:
        return CaseResult(
            kernel=kernel,
            suite="s",
            case=f"{duration}",
            outcome=Outcome.PASSED,
            duration=duration,
        )

    results = RunResults(
        runner="1",
        started="2026-01-02T03:04:05+00:00",
        duration=9.0,
        kernels=(
            KernelRun(id="6.1", boots=(4.0,), restores=(0.5, 0.5)),
            # It tells nothing of how long its cases take.
            KernelRun(id="6.12", error="it did not come up"),
        ),
        cases=(case("6.1", 1.0), case("6.1", 2.0), case("6.12", 0.0)),
    )

    assert sharding.seconds_of(results) == {"6.1": 8.0}
    assert sharding.total(["6.1"], {"6.1": 8.0}) == 8.0
    assert sharding.total(["6.1", "new"], {"6.1": 8.0}) is None
