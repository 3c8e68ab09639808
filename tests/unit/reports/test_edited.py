"""A results.json that no run wrote is refused by whoever reads it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.reports import resultsfile
from runner.reports.resultsfile import ResultsFileError
from runner.results import PlannedCase
from tests.unit.reports.runs import KERNELS, P, case, run

PLAN = (
    PlannedCase(suite="task", case="state", kernels=KERNELS),
    PlannedCase(suite="task", case="comm", kernels=KERNELS),
)


def written(tmp_path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """Write a run that was stopped after 3 of 6 cases, then edit it."""
    path = tmp_path / "results.json"
    stopped = run(*(case(it, P) for it in KERNELS), planned=PLAN, runner="0.2.0")
    data = json.loads(resultsfile.dump(stopped))
    edit(data)
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda it: it.update(planned=None, complete=True), "it has no plan"),
        (lambda it: it.pop("planned"), "it has no plan"),
        (lambda it: [it.pop("planned"), it.pop("complete")], "it has no plan"),
        (lambda it: it.update(planned=[], complete=True), "the plan lacks 5.10 task::"),
        (lambda it: it["kernels"].pop(), "there are cases of 6.12, but no kernel"),
    ],
)
def test_what_somebody_left_out_is_missed(
    edit: Callable[[dict[str, Any]], object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ResultsFileError, match=said):
        resultsfile.read(written(tmp_path, edit))


@pytest.mark.parametrize(
    "edit",
    [
        lambda it: None,
        lambda it: it.update(complete=True),
        lambda it: it["planned"].pop(),
        lambda it: [it["planned"].pop(), it.pop("complete")],
    ],
)
def test_a_run_that_was_stopped_stays_so(
    edit: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    assert not resultsfile.read(written(tmp_path, edit)).complete


def test_a_run_of_before_there_were_plans_is_as_complete_as_it_says(
    tmp_path: Path,
) -> None:
    def old(data: dict[str, Any]) -> None:
        data.pop("planned")
        data.update(runner="0.1.0", complete=True)

    assert resultsfile.read(written(tmp_path, old)).complete
