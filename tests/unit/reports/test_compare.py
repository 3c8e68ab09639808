"""A run beside an earlier one, and what gates make of it."""

from typing import Any

import pytest

from runner.errors import ExitStatus
from runner.reports.compare import Comparison, Gate, compare, gate_status
from runner.results import CaseResult, Outcome, RunResults
from tests.unit.reports.runs import E, F, P, S, case, kernel, on_all, run

FIELDS = ("regressions", "fixes", "new_gaps", "lost", "new", "vanished")


def compared(before: RunResults, after: RunResults) -> Comparison:
    return compare(before, after)


def sorts(found: Comparison) -> dict[str, list[str]]:
    kinds: dict[str, tuple[CaseResult, ...]] = {
        name: getattr(found, name) for name in FIELDS
    }
    return {
        name: [f"{it.kernel} {it.case}" for it in cases]
        for name, cases in kinds.items()
        if cases
    }


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (P, F, "regressions"),
        (S, F, "regressions"),
        (F, F, ""),
        (E, F, "new"),
        (F, P, "fixes"),
        (F, S, "fixes"),
        (P, S, "new_gaps"),
        (P, P, ""),
        (S, S, ""),
        (S, P, ""),
        (P, E, "lost"),
        (F, E, "lost"),
        (S, E, "lost"),
        (E, E, ""),
        (E, P, "new"),
    ],
)
def test_what_becomes_of_a_case(before: Outcome, after: Outcome, kind: str) -> None:
    found = compared(run(case("6.1", before)), run(case("6.1", after)))
    assert sorts(found) == ({kind: ["6.1 state"]} if kind else {})


def test_a_regression_is_one_on_its_kernel_only() -> None:
    found = compared(on_all(P, P, P), on_all(P, P, F))
    assert sorts(found) == {"regressions": ["6.12 state"]}
    assert found.words == "1 regression"


def test_cases_appear_and_vanish() -> None:
    found = compared(run(case("6.1", P, "old")), run(case("6.1", F, "young")))
    assert sorts(found) == {"new": ["6.1 young"], "vanished": ["6.1 old"]}
    assert found.words == "1 new case, 1 of them fails, 1 vanished case"
    assert not found.is_regression(case("6.1", F, "young"))
    assert found.is_new_failure(case("6.1", F, "young"))


def test_cases_of_a_kernel_that_was_not_run_did_not_vanish() -> None:
    found = compared(on_all(P, P, P), run(case("6.1", P)))
    assert sorts(found) == {}
    assert found.not_run == ("5.10", "6.12")


def slow(boot: float, took: float) -> RunResults:
    kernels = (kernel("6.1", boots=(boot,)),)
    return run(case("6.1", P, duration=took), kernels=kernels)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ((4.0, 1.0), (9.0, 1.0), ["boot"]),
        ((4.0, 1.0), (4.0, 9.0), ["cases"]),
        # A third more, or a second more, is noise.
        ((10.0, 1.0), (13.3, 1.0), []),
        ((0.5, 0.5), (1.5, 1.5), []),
        # Restored then, booted now.
        ((0.0, 1.0), (9.0, 1.0), []),
    ],
)
def test_slower_kernels(
    before: tuple[float, float], after: tuple[float, float], what: list[str]
) -> None:
    found = compared(slow(*before), slow(*after))
    assert [it.what for it in found.slower] == what


OPTIONAL: dict[str, Any] = {"kernels": (kernel("6.1"), kernel("sid", required=False))}


@pytest.mark.parametrize(
    ("outcomes", "all_", "regressions"),
    [
        # Before and after, on 6.1.
        ((P, P), 0, 0),
        ((P, F), 1, 1),
        ((F, F), 1, 0),
        ((E, F), 1, 0),
        ((P, E), 3, 3),
        ((F, E), 3, 3),
        ((S, F), 1, 1),
    ],
)
def test_gates(outcomes: tuple[Outcome, Outcome], all_: int, regressions: int) -> None:
    before, after = (run(case("6.1", it)) for it in outcomes)
    found = compare(before, after)
    assert gate_status(after, Gate.ALL, found) == all_
    assert gate_status(after, Gate.REGRESSIONS, found) == regressions


def test_a_case_that_is_new_and_fails_is_no_regression() -> None:
    before, after = run(case("6.1", P)), run(case("6.1", P), case("6.1", F, "more"))
    found = compare(before, after)
    assert gate_status(after, Gate.REGRESSIONS, found) is ExitStatus.COMPATIBLE
    assert gate_status(after, Gate.ALL, found) is ExitStatus.INCOMPATIBLE


@pytest.mark.parametrize("gate", Gate)
@pytest.mark.parametrize("outcome", [F, E])
def test_kernels_that_are_not_required_fail_no_gate(
    gate: Gate, outcome: Outcome
) -> None:
    before = run(case("6.1", P), case("sid", P), **OPTIONAL)
    after = run(case("6.1", P), case("sid", outcome), **OPTIONAL)
    found = compare(before, after)
    assert gate_status(after, gate, found) is ExitStatus.COMPATIBLE


@pytest.mark.parametrize("gate", Gate)
def test_a_kernel_that_is_not_required_and_lost_fails_no_gate(gate: Gate) -> None:
    kernels = (kernel("6.1"), kernel("sid", required=False, error="no answer"))
    after = run(case("6.1", P), case("sid", E), kernels=kernels)
    assert gate_status(after, gate, compare(after, after)) is ExitStatus.COMPATIBLE


def test_a_stopped_run_passes_no_gate() -> None:
    after = run(case("6.1", P), complete=False)
    for gate in Gate:
        status = gate_status(after, gate, compare(after, after))
        assert status is ExitStatus.INFRASTRUCTURE
