"""results.json while a run goes on."""

import json
import time
from pathlib import Path

import pytest

from runner.deadline import Deadline
from runner.errors import InfrastructureError
from runner.reports import resultsfile
from runner.reports.journal import Journal
from runner.results import PlannedCase, RunResults
from tests.unit.reports.runs import KERNELS, P, case, kernel, run


def head() -> RunResults:
    planned = (PlannedCase(suite="task", case="state", kernels=KERNELS),)
    return run(planned=planned, kernels=tuple(kernel(it) for it in KERNELS))


def until_there_are(count: int, path: Path) -> RunResults:
    deadline = Deadline.after(20)
    while len((found := resultsfile.read(path)).cases) < count:
        assert not deadline.expired
        time.sleep(0.01)
    return found


def test_the_plan_is_there_before_any_result(tmp_path: Path) -> None:
    journal = Journal(tmp_path, head)
    journal.begin()
    journal.close()

    found = resultsfile.read(tmp_path / "results.json")
    assert found.progress == "0 of 3"
    assert not found.complete


def test_each_result_is_on_the_disk_soon_after(tmp_path: Path) -> None:
    journal = Journal(tmp_path, head)
    journal.begin()
    for number, id_ in enumerate(KERNELS, 1):
        journal.add(case(id_, P, log='"cases":[] "\udcff'))
        found = until_there_are(number, tmp_path / "results.json")
        assert found.progress == f"{number} of 3"
        # Whoever reads it without this program is told so, until it is closed.
        assert not json.loads((tmp_path / "results.json").read_text())["complete"]
    journal.close()
    # Only the end of the run says so.
    assert not found.complete


def test_nothing_is_written_once_it_is_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, head)
    journal.begin()
    journal.close()
    (tmp_path / "results.json").write_text("mine")
    journal.add(case("6.1", P))
    journal.close()
    assert (tmp_path / "results.json").read_text() == "mine"


def test_a_plan_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r").touch()
    with pytest.raises(InfrastructureError):
        Journal(tmp_path / "r", head).begin()


def test_a_disk_that_is_full_for_a_while_loses_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "r", head)
    journal.begin()
    (tmp_path / "r").rename(tmp_path / "away")
    (tmp_path / "r").touch()
    journal.add(case("6.1", P))
    deadline = Deadline.after(20)
    while journal.failure is None:
        assert not deadline.expired
        time.sleep(0.01)
    (tmp_path / "r").unlink()
    (tmp_path / "away").rename(tmp_path / "r")
    journal.add(case("6.12", P))
    assert until_there_are(2, tmp_path / "r/results.json").progress == "2 of 3"
    journal.close()


def test_a_fault_in_its_thread_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, head)
    journal.begin()

    def no_memory(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("runner.reports.journal.write_text", no_memory)
        journal.add(case("6.1", P))
        deadline = Deadline.after(20)
        while journal.failure is None:
            assert not deadline.expired
            time.sleep(0.01)
    journal.add(case("6.12", P))
    assert until_there_are(2, tmp_path / "results.json").progress == "2 of 3"
    journal.close()
