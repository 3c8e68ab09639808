"""Parts of a run become one run; what is none is refused."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ExitStatus, UsageError
from runner.reports import merging
from runner.reports.merging import FoundRun, MissingPartsError, MixedPartsError
from runner.results import (
    CaseKey,
    CaseResult,
    KernelRun,
    ObjectUse,
    Outcome,
    PlannedCase,
    RunResults,
    Selection,
    Shard,
    exit_status,
)
from runner.run import sharding

PLANNED = ("5.10", "6.1", "6.12")
SELECTION = Selection(matrix_sha256="m", suites_sha256="s")


def whole(*kernels: str, **more: Any) -> RunResults:
    return RunResults(
        **{
            "runner": "0.1.0",
            "started": "2026-01-02T03:04:05+00:00",
            "duration": 10.0,
            "kernels": tuple(KernelRun(id=id_, release=id_) for id_ in kernels),
            "cases": tuple(
                CaseResult(kernel=id_, suite="s", case=name, outcome=Outcome.PASSED)
                for id_ in kernels
                for name in ("b", "a")
            ),
            "objects": (ObjectUse(path="s/a", sha256="a"),),
            "selection": SELECTION,
            **more,
        }
    )


def part(index: int, *own: str, count: int = 2, **more: Any) -> FoundRun:
    shard = Shard(index=index, count=count, planned=PLANNED, own=own)
    return FoundRun(
        folder=Path(f"part-{index}"), results=whole(*own, shard=shard, **more)
    )


def test_parts_are_the_run_that_one_machine_would_have_done() -> None:
    merged = merging.merge([part(2, "6.1"), part(1, "5.10", "6.12")])

    assert merged == whole(*PLANNED)


@given(st.integers(1, 6), st.permutations(PLANNED))
def test_what_was_spread_is_put_together_whatever_comes_first(
    count: int, order: list[str]
) -> None:
    parts = [
        part(index, *own, count=count)
        for index, own in enumerate(sharding.partition(PLANNED, count, {}), 1)
    ]
    parts.sort(key=lambda it: [order.index(id_) for id_ in it.results.shard.own])  # type: ignore[union-attr]

    assert merging.merge(parts) == whole(*PLANNED)


def test_a_run_lasts_from_its_first_start_to_its_last_end() -> None:
    late = part(2, "6.1", started="2026-01-02T04:05:05+01:00", duration=5.0)
    merged = merging.merge([late, part(1, "5.10", "6.12")])

    assert merged.started == "2026-01-02T03:04:05+00:00"
    assert merged.duration == 65.0


def test_a_missing_part_is_refused() -> None:
    with pytest.raises(MissingPartsError, match="shard 2 of 2 is missing"):
        merging.merge([part(1, "5.10", "6.12")])
    with pytest.raises(MissingPartsError, match="shards 1, 3 of 3 are missing"):
        merging.merge([part(2, "6.1", count=3)])


def test_a_missing_part_that_is_allowed_leaves_no_verdict() -> None:
    merged = merging.merge([part(1, "5.10", "6.12")], allow_missing=True)

    assert not merged.complete
    assert [kernel.id for kernel in merged.kernels] == [*PLANNED]
    assert [bool(kernel.error) for kernel in merged.kernels] == [False, True, False]
    assert exit_status(merged) is ExitStatus.INFRASTRUCTURE


def test_a_part_that_was_stopped_is_a_run_that_was_stopped() -> None:
    planned = (PlannedCase(suite="s", case="c", kernels=("6.1",)),)
    parts = [part(1, "5.10", "6.12"), part(2, "6.1", planned=planned)]

    merged = merging.merge(parts)
    assert not merged.complete
    assert merged.undone == (CaseKey("6.1", "s", "c"),)


def test_a_part_that_was_stopped_and_has_no_plan_is_refused() -> None:
    with pytest.raises(UsageError, match="the file does not say which cases are left"):
        merging.merge([part(1, "5.10", "6.12"), part(2, "6.1", complete=False)])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"runner": "0.2.0"}, "the runner's version"),
        ({"selection": SELECTION.model_copy(update={"matrix_sha256": ""})}, "matrix"),
        ({"selection": SELECTION.model_copy(update={"suites_sha256": ""})}, "suites"),
        ({"selection": SELECTION.model_copy(update={"expression": "x"})}, "-k"),
        ({"selection": SELECTION.model_copy(update={"guest": ("cpus=2",)})}, "--guest"),
        ({"shard": Shard(index=2, count=3, planned=PLANNED, own=())}, "of shards"),
        ({"shard": Shard(index=2, count=2, planned=("5",), own=())}, "kernels"),
        ({"shard": None}, "it was run without --shard"),
    ],
)
def test_parts_of_different_runs_are_refused(change: Any, told: str) -> None:
    other = part(2, "6.1")
    other = FoundRun(
        folder=other.folder, results=other.results.model_copy(update=change)
    )
    with pytest.raises(MixedPartsError, match=told):
        merging.merge([part(1, "5.10", "6.12"), other])


def test_different_runs_are_merged_when_that_is_allowed() -> None:
    parts = [
        FoundRun(folder=Path(id_), results=whole(id_, runner=id_)) for id_ in PLANNED
    ]
    merged = merging.merge(parts, allow_mixed=True)

    assert [kernel.id for kernel in merged.kernels] == [*PLANNED]
    assert len(merged.cases) == 6


def test_a_part_that_is_there_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="shard 1/2 is given twice"):
        merging.merge([part(1, "5.10"), part(1, "6.1")], allow_missing=True)


@pytest.mark.parametrize("allow", [False, True])
def test_a_kernel_in_two_parts_is_refused(allow: bool) -> None:
    parts = [part(1, "5.10", "6.1"), part(2, "6.1")]
    with pytest.raises(MixedPartsError, match=r"kernel 6\.1 is in two parts"):
        merging.merge(parts, allow_missing=allow, allow_mixed=allow)


def test_a_kernel_that_no_part_ran_is_told() -> None:
    with pytest.raises(MixedPartsError, match=r"no shard ran 6\.12") as caught:
        merging.merge([part(1, "5.10"), part(2, "6.1")])
    assert "--timings" in caught.value.hint


def test_one_version_of_a_row_is_a_kernel() -> None:
    results = whole("6.1@6.12.43-1~bpo12+1")
    merged = merging.merge([FoundRun(folder=Path("p"), results=results)])
    assert [it.id for it in merged.kernels] == ["6.1@6.12.43-1~bpo12+1"]


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "", ".", "..", "x\n", "/etc", "6.1@../up", "6.1@", "@1"]
)
def test_an_id_that_could_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a kernel's id"):
        merging.merge([FoundRun(folder=Path("p"), results=whole(name))])


def test_cases_without_a_kernel_are_refused() -> None:
    odd = whole("6.1").model_copy(update={"kernels": ()})
    with pytest.raises(UsageError, match=r"cases of 6\.1, but no kernel"):
        merging.merge([FoundRun(folder=Path("p"), results=odd)])


def test_a_time_that_is_none_is_refused() -> None:
    odd = FoundRun(folder=Path("p"), results=whole("6.1", started="yesterday"))
    with pytest.raises(UsageError, match="yesterday"):
        merging.merge([odd])


IDS = st.sampled_from(["5.10", "6.1", "6.12", "", "../x"])
SHARDS = st.none() | st.builds(
    Shard,
    index=st.integers(1, 3),
    count=st.integers(1, 3),
    planned=st.lists(IDS, max_size=3).map(tuple),
    own=st.lists(IDS, max_size=3).map(tuple),
)
ANY = st.builds(
    lambda ids, cases, more: FoundRun(
        folder=Path("p"),
        results=whole(*ids).model_copy(
            update={
                "cases": tuple(
                    CaseResult(kernel=it, suite="s", case="c", outcome=Outcome.PASSED)
                    for it in cases
                ),
                **more,
            }
        ),
    ),
    st.lists(IDS, max_size=3),
    st.lists(IDS, max_size=3),
    st.fixed_dictionaries(
        {
            "shard": SHARDS,
            "started": st.sampled_from(["2026-01-02", "2026-01-02T03:04:05Z", "x", ""]),
            "duration": st.floats(),
        }
    ),
)


@given(st.lists(ANY, max_size=4), st.booleans(), st.booleans())
def test_any_parts_are_merged_or_refused(
    parts: list[FoundRun], allow_missing: bool, allow_mixed: bool
) -> None:
    with contextlib.suppress(UsageError):
        merged = merging.merge(
            parts, allow_missing=allow_missing, allow_mixed=allow_mixed
        )
        ids = [it.id for it in merged.kernels]
        assert len(ids) == len(set(ids))
        assert {it.kernel for it in merged.cases} <= {*ids}
