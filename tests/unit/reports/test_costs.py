"""Costs held against the verifier's limit, and against an earlier run."""

from pathlib import Path
from typing import Any

import pytest

from runner.errors import ExitStatus, UsageError
from runner.reports import markdown, resultsfile
from runner.reports.costs import CostLimits, Grown
from runner.reports.criteria import Criteria
from runner.reports.formats import FORMATS
from runner.results import CaseResult, Outcome, ProgramCost, RunResults
from tests.unit.reports.runs import F, P, S, case, on_all, run

LIMIT = 1_000_000


def costing(
    insns: int | None, kernel: str = "6.1", outcome: Outcome = P, **more: Any
) -> CaseResult:
    cost = ProgramCost(program="on_open", verified_insns=insns, insns_limit=LIMIT)
    return case(kernel, outcome, cost=(cost,), **more)


def criteria(
    baseline: RunResults | None = None,
    *,
    gate: str = "cost",
    limits: CostLimits | None = None,
    folder: Path = Path(),
) -> Criteria:
    path = None
    if baseline is not None:
        path = folder / "old.json"
        resultsfile.write(baseline, path)
    return Criteria.read(baseline=path, gate=gate, release=None, limits=limits)


def outcome(results: RunResults, by: Criteria) -> tuple[ExitStatus, str]:
    report = by.report(results)
    return report.status, report.results.cases[0].failure_class


@pytest.mark.parametrize(
    ("insns", "expected"),
    [
        (849_999, (ExitStatus.COMPATIBLE, "")),
        (850_000, (ExitStatus.INCOMPATIBLE, "cost_near_limit")),
        (None, (ExitStatus.COMPATIBLE, "")),
    ],
)
def test_a_program_near_the_limit_fails(
    insns: int | None, expected: tuple[ExitStatus, str]
) -> None:
    assert outcome(run(costing(insns)), criteria()) == expected


def test_without_the_gate_costs_fail_nothing() -> None:
    assert outcome(run(costing(LIMIT)), criteria(gate="all"))[0] is (
        ExitStatus.COMPATIBLE
    )


def test_the_message_says_how_near() -> None:
    [found] = criteria().report(run(costing(912_000))).results.cases

    assert found.message == (
        "on_open: the verifier processes 912,000 of 1,000,000 instructions (91 %; "
        "allowed are less than 85 %)"
    )
    assert "--cost-limit" in found.cure


@pytest.mark.parametrize(
    ("before", "after", "class_"),
    [
        pytest.param(10_000, 12_000, "", id="as much as is allowed"),
        pytest.param(10_000, 12_001, "cost_grown", id="more"),
        pytest.param(100, 1_099, "", id="by fewer than 1,000"),
        pytest.param(12_001, 10_000, "", id="less than before"),
    ],
)
def test_a_program_that_grew_too_much_fails(
    before: int, after: int, class_: str, tmp_path: Path
) -> None:
    by = criteria(run(costing(before)), folder=tmp_path)

    assert outcome(run(costing(after)), by)[1] == class_


def test_growth_is_a_regression(tmp_path: Path) -> None:
    by = criteria(run(costing(10_000)), gate="regressions,cost", folder=tmp_path)

    report = by.report(run(costing(50_000)))

    assert report.status is ExitStatus.INCOMPATIBLE
    assert report.comparison is not None
    assert [it.case for it in report.comparison.regressions] == ["state"]


def test_what_was_near_the_limit_before_is_no_regression(tmp_path: Path) -> None:
    by = criteria(run(costing(900_000)), gate="regressions,cost", folder=tmp_path)

    report = by.report(run(costing(900_000)))

    assert report.status is ExitStatus.COMPATIBLE
    assert report.results.cases[0].failure_class == "cost_near_limit"


@pytest.mark.parametrize("other", [F, S])
def test_a_case_that_did_not_pass_keeps_its_reason(other: Outcome) -> None:
    before = costing(LIMIT, outcome=other)

    assert criteria().report(run(before)).results.cases == (before,)


def test_results_keep_what_was_measured() -> None:
    report = criteria().report(run(costing(LIMIT)))
    [json] = [it for it in FORMATS if it.name == "json"]

    assert '"cost_near_limit"' not in json.files(report)["results.json"]
    assert "cost_near_limit" in markdown.render(report.results)


def test_growth_is_shown_without_a_gate(tmp_path: Path) -> None:
    before = run(costing(5_000, "5.10"), costing(5_100, "6.1"), costing(9, "6.12"))
    after = run(costing(7_500, "5.10"), costing(7_600, "6.1"), costing(12, "6.12"))

    comparison = criteria(before, gate="all", folder=tmp_path).report(after).comparison

    assert comparison is not None
    assert comparison.grown == (
        Grown(
            suite="task",
            program="on_open",
            before=5_000,
            after=7_500,
            kernels=("5.10",),
        ),
        Grown(
            suite="task", program="on_open", before=5_100, after=7_600, kernels=("6.1",)
        ),
    )
    assert "2 programs cost more to verify" in comparison.words
    assert (
        "**Costs more to verify**: `task on_open`, 5,000 → 7,500 instructions (+50 %) "
        "on `5.10`"
    ) in markdown.render(after, comparison)


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("costs", "there is no gate 'costs'"),
        ("all,regressions", "exclude each other"),
        ("", "there is no gate ''"),
    ],
)
def test_a_gate_that_there_is_not_is_refused(gate: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Criteria.read(baseline=None, gate=gate, release=None)


def test_limits_without_the_gate_are_refused() -> None:
    with pytest.raises(UsageError, match="do nothing without --gate cost"):
        criteria(gate="all", limits=CostLimits(share=50))


def test_a_baseline_without_costs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no program in it has a cost"):
        criteria(on_all(P, P, P), folder=tmp_path)


@pytest.mark.parametrize(
    "limits", [{"share": 0}, {"share": 101}, {"growth": -1}, {"share": float("nan")}]
)
def test_percentages_out_of_range_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"must be"):
        CostLimits(**limits)


def test_a_program_without_a_cost_in_the_baseline_is_told_of(tmp_path: Path) -> None:
    old = ProgramCost(program="on_close", verified_insns=300_006, insns_limit=LIMIT)
    before = run(case("6.1", P, cost=(old,)))

    comparison = criteria(before, folder=tmp_path).report(run(costing(600_006)))

    assert comparison.comparison is not None
    assert comparison.comparison.not_costed == ("task on_open",)
    assert "1 program has no cost in the baseline" in comparison.comparison.words
    assert "**No cost in the baseline**: `task on_open`" in markdown.render(
        comparison.results, comparison.comparison
    )
