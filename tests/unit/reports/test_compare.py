"""A run beside an earlier one, and what gates make of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ExitStatus
from runner.reports.compare import (
    Comparison,
    Gate,
    compare,
    gate_status,
    vanished_words,
)
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
    assert found.words == "2 kernels not run"


def timed(kernels: dict[str, tuple[float, float]]) -> RunResults:
    """Return a run with a boot and three equal cases on each kernel, in seconds."""
    return run(
        *(
            case(id_, P, f"c{number}", duration=took / 3)
            for id_, (_, took) in kernels.items()
            for number in range(3)
        ),
        kernels=tuple(kernel(id_, boots=(boot,)) for id_, (boot, _) in kernels.items()),
    )


BEFORE = {"5.10": (4.0, 9.0), "6.1": (4.0, 9.0), "6.12": (4.0, 9.0)}


@pytest.mark.parametrize(
    ("now", "slower"),
    [
        ({"6.1": (15.0, 9.0)}, ["6.1 boot"]),
        ({"6.1": (4.0, 30.0)}, ["6.1 cases"]),
        # Twice as long, or five seconds more, is noise.
        ({"6.1": (7.9, 17.9)}, []),
        # A machine that is busy is slow with all kernels.
        ({"5.10": (16.0, 36.0), "6.1": (16.0, 36.0), "6.12": (16.0, 36.0)}, []),
        (
            {"5.10": (16.0, 36.0), "6.1": (16.0, 200.0), "6.12": (16.0, 36.0)},
            ["6.1 cases"],
        ),
        # A machine that is faster hides no kernel that is slower.
        ({"5.10": (1.0, 2.0), "6.12": (1.0, 2.0), "6.1": (4.0, 30.0)}, ["6.1 cases"]),
        # Restored then, booted now.
        ({"6.1": (0.0, 9.0)}, []),
    ],
)
def test_slower_kernels(now: dict[str, tuple[float, float]], slower: list[str]) -> None:
    found = compared(timed(BEFORE), timed({**BEFORE, **now}))
    assert [f"{it.kernel} {it.what}" for it in found.slower] == slower


def test_an_unchanged_run_on_a_busy_machine_has_no_slowdown() -> None:
    # The trial's numbers: two of three kernels of an unchanged run.
    before = timed({"5.10": (3.1, 2.7), "6.1": (3.0, 2.9), "6.12": (3.3, 3.0)})
    after = timed({"5.10": (3.3, 4.9), "6.1": (3.2, 3.1), "6.12": (5.8, 5.4)})
    assert compared(before, after).slower == ()


def test_more_cases_are_no_slowdown() -> None:
    more = [case("6.1", P, f"more{it}", duration=20.0) for it in range(3)]
    before = timed(BEFORE)
    after = before.model_copy(update={"cases": (*before.cases, *more)})
    assert compared(before, after).slower == ()


OPTIONAL: dict[str, Any] = {"kernels": (kernel("6.1"), kernel("sid", required=False))}


@pytest.mark.parametrize(
    ("outcomes", "all_", "regressions"),
    [
        # Before and after, on 6.1.
        ((P, P), 0, 0),
        ((P, F), 1, 1),
        ((F, F), 1, 0),
        # There was no verdict, so it is a new failure.
        ((E, F), 1, 1),
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


def test_a_new_case_that_fails_fails_both_gates() -> None:
    before, after = run(case("6.1", P)), run(case("6.1", P), case("6.1", F, "more"))
    found = compare(before, after)
    assert found.regressions == ()
    for gate in Gate:
        assert gate_status(after, gate, found) is ExitStatus.INCOMPATIBLE


def test_new_failures_are_accepted_where_they_are_meant() -> None:
    before, after = run(case("6.1", P)), run(case("6.1", P), case("6.1", F, "more"))
    found = compare(before, after, allow_new_failures=True)
    assert gate_status(after, Gate.REGRESSIONS, found) is ExitStatus.COMPATIBLE
    assert gate_status(after, Gate.ALL, found) is ExitStatus.INCOMPATIBLE
    # Nothing else is.
    worse = run(case("6.1", F), case("6.1", F, "more"))
    found = compare(before, worse, allow_new_failures=True)
    assert gate_status(worse, Gate.REGRESSIONS, found) is ExitStatus.INCOMPATIBLE


@pytest.mark.parametrize("gate", Gate)
def test_a_vanished_case_fails_both_gates(gate: Gate) -> None:
    before, after = run(case("6.1", P), case("6.1", P, "gone")), run(case("6.1", P))
    found = compare(before, after)
    assert gate_status(after, gate, found) is ExitStatus.INCOMPATIBLE
    assert vanished_words(after, found) == "1 baseline case vanished"


@pytest.mark.parametrize("gate", Gate)
@pytest.mark.parametrize("outcome", Outcome)
def test_whatever_it_was_before_a_vanished_case_is_missed(
    gate: Gate, outcome: Outcome
) -> None:
    before = run(case("6.1", P), case("6.1", outcome, "gone"))
    after = run(case("6.1", P))
    status = gate_status(after, gate, compare(before, after))
    assert status is ExitStatus.INCOMPATIBLE


@pytest.mark.parametrize("gate", Gate)
def test_vanished_cases_are_accepted_where_they_are_meant(gate: Gate) -> None:
    before, after = run(case("6.1", P), case("6.1", P, "gone")), run(case("6.1", P))
    found = compare(before, after, allow_vanished=True)
    assert sorts(found) == {"vanished": ["6.1 gone"]}
    assert gate_status(after, gate, found) is ExitStatus.COMPATIBLE
    assert vanished_words(after, found) == ""


@pytest.mark.parametrize("gate", Gate)
def test_a_suite_that_is_called_otherwise_passes_no_gate(gate: Gate) -> None:
    """C2: a worktree's folder gave the suite another name, and the failure was new."""
    before = run(case("6.1", P, "opens", suite="myprobe"))
    after = run(case("6.1", F, "opens", suite="worktree2"))
    found = compare(before, after)
    assert gate_status(after, gate, found) is ExitStatus.INCOMPATIBLE


def test_cases_of_a_kernel_that_is_not_required_vanish_without_harm() -> None:
    before = run(case("6.1", P), case("sid", P, "gone"), **OPTIONAL)
    after = run(case("6.1", P), **OPTIONAL)
    found = compare(before, after)
    assert sorts(found) == {"vanished": ["sid gone"]}
    assert gate_status(after, Gate.ALL, found) is ExitStatus.COMPATIBLE


def test_in_a_stopped_run_nothing_has_vanished() -> None:
    before = run(case("6.1", P), case("6.1", P, "later"))
    after = run(case("6.1", P), complete=False)
    found = compare(before, after)
    assert found.vanished == ()
    assert gate_status(after, Gate.ALL, found) is ExitStatus.INFRASTRUCTURE


# ------------------------------------------------------------------- other names


def test_a_renamed_case_is_compared_with_its_former_name() -> None:
    before = run(case("6.1", P, "old"))
    for now, kinds in ((P, {}), (F, {"regressions": ["6.1 new"]})):
        after = run(case("6.1", now, "new", was=("task::old",)))
        assert sorts(compare(before, after)) == kinds


def test_a_renamed_suite_is_compared_with_its_former_name() -> None:
    before = run(case("6.1", P, suite="worktree2"))
    after = run(case("6.1", F, suite="probe", was=("worktree2::state",)))
    assert sorts(compare(before, after)) == {"regressions": ["6.1 state"]}


def test_a_former_name_that_is_in_use_belongs_to_its_user() -> None:
    before = run(case("6.1", P, "a"))
    after = run(case("6.1", P, "a"), case("6.1", F, "b", was=("task::a",)))
    assert sorts(compare(before, after)) == {"new": ["6.1 b"]}


@pytest.mark.parametrize("order", [(P, F), (F, P)])
def test_two_cases_that_became_one_must_be_as_good_as_the_better_one(
    order: tuple[Outcome, Outcome],
) -> None:
    before = run(case("6.1", order[0], "a"), case("6.1", order[1], "b"))
    after = run(case("6.1", F, "b", was=("task::a",)))
    assert sorts(compare(before, after)) == {"regressions": ["6.1 b"]}


@pytest.mark.parametrize("order", [(P, F), (F, P)])
def test_of_two_results_of_one_case_the_worse_one_counts(
    order: tuple[Outcome, Outcome],
) -> None:
    twice = run(*(case("6.1", it) for it in order))
    fine, broken = run(case("6.1", P)), run(case("6.1", F))
    assert sorts(compare(fine, twice)) == {"regressions": ["6.1 state"]}
    assert sorts(compare(broken, twice)) == {}
    assert sorts(compare(twice, fine)) == {"fixes": ["6.1 state"]}
    status = gate_status(twice, Gate.REGRESSIONS, compare(fine, twice))
    assert status is ExitStatus.INCOMPATIBLE


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


NAMES = ("a", "b", "c")
OUTCOMES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(Outcome))


@given(OUTCOMES, OUTCOMES, st.dictionaries(st.sampled_from(NAMES), st.just("old")))
def test_what_passes_a_gate_has_no_failure_that_was_not_there(
    before: dict[str, Outcome], now: dict[str, Outcome], former: dict[str, str]
) -> None:
    """Whatever vanishes, appears or is renamed."""
    baseline = run(*(case("6.1", it, name) for name, it in before.items()))
    results = run(
        *(
            case("6.1", it, name, was=("task::old",) if name in former else ())
            for name, it in now.items()
        ),
        kernels=(kernel("6.1"),),
    )
    found = compare(baseline, results)
    if gate_status(results, Gate.REGRESSIONS, found) is ExitStatus.COMPATIBLE:
        assert set(before) <= set(now)
        failed = {name for name, it in now.items() if it is F}
        assert all(before.get(name) is F for name in failed)
        assert E not in now.values()
