"""What the page draws: costs of programs, and when kernels ran."""

from datetime import UTC, datetime

import pytest

from runner.reports import costcharts, timeline
from runner.results import CaseResult, KernelRun, Outcome, ProgramCost, RunResults

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def run(*cases: CaseResult, started: str = START.isoformat()) -> RunResults:
    return RunResults(
        runner="1",
        started=started,
        duration=100.0,
        kernels=(KernelRun(id="5.10"), KernelRun(id="6.1")),
        cases=cases,
    )


def case(kernel: str, name: str, **values: object) -> CaseResult:
    known = {"kernel": kernel, "suite": "s", "case": name, "outcome": Outcome.PASSED}
    return CaseResult.model_validate(known | values)


def at(seconds: float, took: float, name: str) -> CaseResult:
    return case("6.1", name, began=START.timestamp() + seconds, duration=took)


def cost(program: str, insns: int | None) -> ProgramCost:
    return ProgramCost(program=program, verified_insns=insns)


def test_of_several_cases_the_dearest_counts_and_the_dearest_program_is_first() -> None:
    found = costcharts.by_program(
        run(
            case("6.1", "a", cost=(cost("one", 5), cost("two", 90))),
            case("6.1", "b", cost=(cost("one", 7),)),
            case("5.10", "a", cost=(cost("one", 3), cost("two", None))),
        )
    )
    assert [(it.name, it.least, it.most) for it in found] == [
        ("two", 90, 90),
        ("one", 3, 7),
    ]
    # In the order of the run.
    assert [it.kernel for it in found[1].kernels] == ["5.10", "6.1"]


def test_kernels_with_the_same_cost_are_one_row_with_the_longest_time() -> None:
    def costing(insns: int, usec: int | None) -> tuple[ProgramCost, ...]:
        cost = ProgramCost(program="p", verified_insns=insns, verification_usec=usec)
        return (cost,)

    results = run(
        case("5.10", "a", cost=costing(5, 30)), case("6.1", "a", cost=costing(5, None))
    )
    ((kernels, found),) = costcharts.by_program(results)[0].alike
    assert kernels == ("5.10", "6.1")
    assert (found.verified_insns, found.verification_usec) == (5, 30)


def test_what_follows_at_once_is_one_span() -> None:
    cases = at(10, 5, "a"), at(15.05, 5, "b"), at(50, 1, "c")
    (found,) = timeline.by_kernel(run(*cases))
    assert [(it.start, it.width) for it in found.spans] == [(10.0, 10.05), (50.0, 1.0)]
    assert found.words == "3 cases, from 10.0 s to 51.0 s"


def test_a_span_never_leaves_the_picture() -> None:
    (found,) = timeline.by_kernel(run(at(99.99, 500, "a"), at(-0.5, 0, "b")))
    assert all(
        0 <= it.start <= 100 and it.start + it.width <= 100.01 for it in found.spans
    )


@pytest.mark.parametrize(
    "results",
    [
        run(case("6.1", "a")),
        run(at(1, 1, "a"), started="yesterday"),
        run(at(10_000, 1, "a")),
    ],
    ids=["old file", "no time", "another clock"],
)
def test_what_is_not_known_is_not_drawn(results: RunResults) -> None:
    assert timeline.by_kernel(results) == []
