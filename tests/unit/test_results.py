import re
from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.errors import ExitStatus
from runner.reports import merging
from runner.reports.criteria import Criteria
from runner.reports.merging import FoundRun
from runner.results import (
    CaseKey,
    CaseResult,
    KernelRun,
    Mismatch,
    Outcome,
    PlannedCase,
    RunResults,
    Shard,
    exit_status,
)

PASSED, FAILED, ERROR, SKIPPED = (
    Outcome.PASSED,
    Outcome.FAILED,
    Outcome.ERROR,
    Outcome.SKIPPED,
)


def run(
    outcomes: list[Outcome],
    *,
    optional: list[Outcome] | None = None,
    error: str = "",
    optional_error: str = "",
    complete: bool = True,
) -> RunResults:
    def cases(kernel: str, given: list[Outcome]) -> list[CaseResult]:
        return [
            CaseResult(kernel=kernel, suite="s", case=f"c{number}", outcome=outcome)
            for number, outcome in enumerate(given)
        ]

    return RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=1.0,
        complete=complete,
        kernels=(
            KernelRun(id="6.1", error=error),
            KernelRun(id="sid", required=False, error=optional_error),
        ),
        cases=(*cases("6.1", outcomes), *cases("sid", optional or [])),
    )


def part(results: RunResults, *own: str) -> RunResults:
    shard = Shard(index=1, count=2, planned=("6.1", "sid"), own=own)
    return results.model_copy(update={"shard": shard})


@pytest.mark.parametrize(
    ("results", "status"),
    [
        (run([PASSED, PASSED]), ExitStatus.COMPATIBLE),
        (run([PASSED, SKIPPED]), ExitStatus.COMPATIBLE),
        # Nothing was checked.
        (run([SKIPPED]), ExitStatus.INFRASTRUCTURE),
        (run([SKIPPED], optional=[SKIPPED]), ExitStatus.INFRASTRUCTURE),
        # Only the merged parts have a verdict.
        (part(run([SKIPPED])), ExitStatus.INFRASTRUCTURE),
        (part(run([]), "6.1"), ExitStatus.INFRASTRUCTURE),
        (part(run([])), ExitStatus.INFRASTRUCTURE),
        (run([PASSED, FAILED]), ExitStatus.INCOMPATIBLE),
        (run([PASSED, ERROR]), ExitStatus.INFRASTRUCTURE),
        (run([ERROR, FAILED]), ExitStatus.INCOMPATIBLE),
        (run([PASSED], error="no boot"), ExitStatus.INFRASTRUCTURE),
        (run([FAILED], error="no boot"), ExitStatus.INCOMPATIBLE),
        (run([PASSED], optional=[FAILED, ERROR]), ExitStatus.COMPATIBLE),
        (run([PASSED], optional_error="no boot"), ExitStatus.COMPATIBLE),
        (run([PASSED], complete=False), ExitStatus.INFRASTRUCTURE),
        (run([FAILED], complete=False), ExitStatus.INCOMPATIBLE),
        (run([]), ExitStatus.INFRASTRUCTURE),
        # Nothing that counts was checked.
        (run([], optional=[PASSED]), ExitStatus.INFRASTRUCTURE),
        (run([], optional=[FAILED]), ExitStatus.INFRASTRUCTURE),
    ],
)
def test_exit_status(results: RunResults, status: ExitStatus) -> None:
    assert exit_status(results) is status


PLAN = (PlannedCase(suite="s", case="c0", kernels=("6.1",)),)
MORE = (*PLAN, PlannedCase(suite="s", case="c1", kernels=("6.1", "sid")))


def test_a_run_is_complete_when_its_plan_is_done() -> None:
    done = run([PASSED]).model_copy(update={"planned": PLAN})
    assert done.complete
    more = done.model_copy(update={"planned": MORE})
    assert not more.complete
    assert more.progress == "1 of 3"
    assert more.undone == (CaseKey("6.1", "s", "c1"), CaseKey("sid", "s", "c1"))


def test_what_a_file_says_does_not_make_it_complete() -> None:
    values = run([PASSED]).model_dump(mode="json")
    plan = [it.model_dump(mode="json") for it in MORE]
    read = RunResults.model_validate({**values, "planned": plan, "complete": True})
    assert not read.complete
    assert exit_status(read) is ExitStatus.INFRASTRUCTURE


def test_one_place_sets_complete() -> None:
    root = Path(__file__).parents[2] / "runner"
    found = [
        path.name
        for path in root.rglob("*.py")
        if re.search(
            r'"complete"\] *=|\bcomplete=(True|False|not|all)|\.complete *=[^=]',
            path.read_text(),
        )
    ]
    assert found == ["results.py"]


def test_a_copy_does_not_become_complete_by_itself() -> None:
    stopped = run([PASSED], complete=False).model_copy(update={"planned": PLAN})

    assert not stopped.model_copy(update={"cases": stopped.cases}).complete
    assert not merging.merge(
        [FoundRun(folder=Path(), results=stopped)], allow_mixed=True
    ).complete
    with_costs = Criteria.read(baseline=None, gate="cost", release=None)
    assert not with_costs.report(stopped).results.complete


def test_case_of_an_unlisted_kernel_counts() -> None:
    case = CaseResult(kernel="9.9", suite="s", case="c", outcome=FAILED)
    results = run([PASSED]).model_copy(update={"cases": (case,)})
    assert exit_status(results) is ExitStatus.INCOMPATIBLE


def test_outcomes_are_counted() -> None:
    assert run([PASSED, PASSED, FAILED]).count(PASSED) == 2


def test_mismatch_reads_as_a_sentence() -> None:
    found = Mismatch(
        subject="map m", key="1", field="a.b", expected="2", observed="no such field"
    )
    assert str(found) == "map m key 1 field a.b: expected 2, observed no such field"
    assert str(Mismatch(subject="map m", expected="2", observed="3")) == (
        "map m: expected 2, observed 3"
    )


def test_results_survive_json() -> None:
    results = run([PASSED, FAILED, ERROR, SKIPPED], error="no boot")
    assert RunResults.model_validate_json(results.model_dump_json()) == results
    assert RunResults.model_validate(results.model_dump(mode="json")) == results


def test_what_a_guest_was_is_said_as_yaml_has_it() -> None:
    environment: dict[str, JsonValue] = {
        "cpus": {"online": [0, 3]},
        "user": {"uid": 1000, "namespace": True, "token": None},
    }

    result = CaseResult(
        kernel="6.1", suite="s", case="c", outcome=PASSED, environment=environment
    )
    assert result.guest_words == (
        "cpus: {online: [0, 3]}, user: {uid: 1000, namespace: true, token: null}"
    )
