"""A run's plan and what came of it."""

from pathlib import Path

import pytest

from runner import reports
from runner.reports import resultsfile
from runner.reports.criteria import Report
from runner.results import (
    CaseKey,
    KernelRun,
    Outcome,
    Provenance,
    RunResults,
    Selection,
)
from runner.run.ledger import Ledger
from tests.unit.guest.doubles import KERNEL
from tests.unit.reports.runs import E, F, P, case, on_all

STATE, COMM = CaseKey("6.1", "task", "state"), CaseKey("6.1", "task", "comm")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, [KERNEL], kernel_run=lambda it: KernelRun(id=it.id))


def written(folder: Path) -> RunResults:
    return resultsfile.read(folder / "results.json")


def test_without_a_plan_the_reports_of_the_run_before_stay(
    ledger: Ledger, tmp_path: Path
) -> None:
    reports.write(Report(results=on_all(P, P, P)), tmp_path)
    before = {it.name for it in tmp_path.rglob("*")}
    ledger.claim(pytest.fail)
    ledger.close()
    assert {it.name for it in tmp_path.rglob("*")} == before


def test_a_plan_replaces_the_reports_of_the_run_before(
    ledger: Ledger, tmp_path: Path
) -> None:
    reports.write(Report(results=on_all(P, P, P)), tmp_path)
    (tmp_path / "6.1/console.12-1.log").touch()
    ledger.begin([STATE, COMM], Selection())
    ledger.close()
    assert [it.name for it in tmp_path.iterdir()] == ["results.json"]
    assert written(tmp_path).progress == "0 of 2"


def test_a_run_is_complete_when_all_that_was_planned_has_a_result(
    ledger: Ledger,
) -> None:
    ledger.begin([STATE, COMM], Selection())
    ledger.add(case("6.1", P, "comm"), order=1)
    assert ledger.finish().undone == (STATE,)
    ledger.add(case("6.1", P, "state"), order=0)
    results = ledger.finish()
    assert results.complete
    assert [it.case for it in results.cases] == ["state", "comm"]


def test_a_plan_can_be_corrected(ledger: Ledger) -> None:
    ledger.begin([STATE, COMM], Selection())
    ledger.begin([COMM], Selection(expression="comm"))
    ledger.add(case("6.1", P, "comm"), order=0)
    assert ledger.finish().complete


@pytest.mark.parametrize(
    ("first", "second", "counts"), [(P, E, E), (E, P, E), (F, E, F), (P, P, P)]
)
def test_of_two_results_of_a_case_the_worse_one_counts(
    ledger: Ledger, first: Outcome, second: Outcome, counts: Outcome
) -> None:
    ledger.begin([STATE], Selection())
    for outcome in (first, second):
        ledger.add(case("6.1", outcome), order=0)
    assert [it.outcome for it in ledger.finish().cases] == [counts]


def test_what_is_found_while_a_program_runs_enters_the_plan(
    ledger: Ledger, tmp_path: Path
) -> None:
    program, subtest = CaseKey("6.1", "task", "t"), CaseKey("6.1", "task", "t::A/b")
    ledger.begin([program], Selection())

    ledger.add(case("6.1", P, "t::A/b"), order=0, found=True)

    # More could be found: the program's own case says when that is over.
    cut = ledger.finish()
    assert cut.undone == (program,)
    assert subtest in cut.plan
    reports.write(Report(results=cut), tmp_path)
    assert not written(tmp_path).complete
    ledger.add(case("6.1", P, "t"), order=0)
    assert ledger.finish().complete


def test_a_corrected_plan_keeps_what_was_found(ledger: Ledger) -> None:
    ledger.begin([STATE], Selection())
    ledger.add(case("6.1", P, "found"), order=0, found=True)

    ledger.correct([COMM])

    assert {it.case for it in ledger.finish().plan} == {"comm", "found"}


def test_what_was_tested_is_found_out_once_and_is_in_the_file(tmp_path: Path) -> None:
    asked = []

    def find() -> Provenance:
        asked.append(1)
        return Provenance(project="team/probe")

    ledger = Ledger(
        tmp_path, [], kernel_run=lambda it: KernelRun(id=it.id), provenance=find
    )
    ledger.begin([STATE], Selection())
    ledger.begin([STATE], Selection())
    assert ledger.finish().provenance.project == "team/probe"
    ledger.close()
    assert written(tmp_path).provenance.project == "team/probe"
    assert len(asked) == 1
