"""The nightly workflow: its scripts, run as GitHub runs them, night after night."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from runner.reports import resultsfile
from runner.results import Outcome, PlannedCase, RunResults, Shard
from tests import workflow
from tests.unit.history import nights
from tests.unit.reports.runs import F, P
from tests.workflow import ROOT, Done, Machine, program

JOBS = workflow.load(ROOT / ".github/workflows/nightly.yml")["jobs"]
KERNELS = ("5.10", "6.1")
OLD = "bookworm linux-image-6.1.0-43-amd64 6.1.170-1"
NEW = {
    "image": "bookworm linux-image-6.1.0-44-amd64 6.1.176-1",
    "image_sha256": "2" * 64,
}
# Answers as GitHub does: with the newest artifact, and with its files.
GH = """case $1 in
api) [ ! -f "$PAST/failing" ] || exit 1
  [ ! -d "$PAST/site" ] || echo "2026-03-01T00:00:00Z 77" ;;
run) mkdir -p "$9" && cp -r "$PAST/site/." "$9" ;;
esac"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folders = {
        name: tmp_path / name for name in ("workspace", "artifacts", "temp", "action")
    }
    for folder in folders.values():
        folder.mkdir()
    workflow.checkout(folders["action"])
    (folders["workspace"] / ".kernel-matrix").symlink_to(folders["action"])
    program(tmp_path / "bin/gh", GH)
    return Machine(
        **folders,
        environment={
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
            "PAST": str(tmp_path / "past"),
            "GITHUB_REPOSITORY": "owner/probes",
        },
    )


def night(machine: Machine, number: int, outcome: Outcome, **kernel: str) -> Done:
    """Do what the job `history` does with the parts of two machines."""
    shutil.rmtree(machine.artifacts)
    for part in parts(number, outcome, **kernel):
        assert part.shard
        name = f"kernel-matrix.{part.shard.index}-of-2"
        folder = machine.artifacts / name
        folder.mkdir(parents=True)
        resultsfile.write(part, folder / "results.json")
    for name in ("kernel-history", "kernel-matrix-report"):
        shutil.rmtree(machine.workspace / name, ignore_errors=True)
    shutil.rmtree(machine.temp / "parts", ignore_errors=True)
    known: dict[str, Any] = {
        "runner": {"temp": str(machine.temp)},
        "github": {"ref_name": "main", "token": "t"},
    }
    return workflow.run_steps(machine, JOBS["history"]["steps"], known)


def parts(number: int, outcome: Outcome, **kernel: str) -> list[RunResults]:
    return [
        nights.night(
            number,
            case := nights.case(outcome if id_ == "6.1" else P, kernel=id_),
            planned=PlannedCase.of([case.key]),
            shard=Shard(index=index, count=2, planned=KERNELS, own=(id_,)),
            kernel={"image": OLD, **(kernel if id_ == "6.1" else {})},
        )
        for index, id_ in enumerate(KERNELS, 1)
    ]


def keep(machine: Machine) -> Path:
    """Let the next night find what this one left."""
    past = Path(machine.environment["PAST"])
    shutil.copytree(machine.artifacts / "kernel-history", past / "site")
    return past / "site"


def history(machine: Machine) -> Any:
    path = machine.artifacts / "kernel-history/data/history.json"
    return json.loads(path.read_text())


def test_the_first_night_begins_a_history(machine: Machine) -> None:
    done = night(machine, 0, P)

    assert not done.failed, done.said
    assert "there is no history of main yet" in done.said["history"]
    assert history(machine)["runs"] == 1
    assert (machine.artifacts / "kernel-history/badges/linux.svg").is_file()
    assert done.outputs["history"]["bisect"] == "false"


def test_a_night_is_appended_and_says_what_to_bisect(machine: Machine) -> None:
    night(machine, 0, P)
    keep(machine)

    done = night(machine, 1, F, **NEW)

    # The night is red, and its history is there all the same.
    assert done.failed
    assert done.outputs["history"]["bisect"] == "true"
    found = history(machine)
    assert found["runs"] == 2
    (broken,) = found["broken"]
    assert broken["is_new"]
    assert broken["bisect"] == {
        "case": "task::state",
        "good": "6.1@6.1.170-1",
        "bad": "6.1@6.1.176-1",
    }
    assert (machine.artifacts / "kernel-matrix/results.json").is_file()


def test_what_broke_an_earlier_night_is_not_bisected_again(machine: Machine) -> None:
    for number, outcome in enumerate((P, F, F)):
        done = night(machine, number, outcome, **(NEW if number else {}))
        past = Path(machine.environment["PAST"])
        shutil.rmtree(past, ignore_errors=True)
        keep(machine)

    assert done.outputs["history"]["bisect"] == "false"
    assert history(machine)["broken"][0]["is_new"] is False


def test_a_past_that_cannot_be_asked_for_is_not_replaced(machine: Machine) -> None:
    past = Path(machine.environment["PAST"])
    past.mkdir()
    (past / "failing").touch()

    done = night(machine, 0, P)

    assert done.failed
    assert not (machine.artifacts / "kernel-history").exists()


def test_a_part_that_is_missing_leaves_the_night_without_a_verdict(
    machine: Machine,
) -> None:
    known: dict[str, Any] = {
        "runner": {"temp": str(machine.temp)},
        "github": {"ref_name": "main"},
    }
    folder = machine.artifacts / "kernel-matrix.1-of-2"
    folder.mkdir(parents=True)
    resultsfile.write(parts(0, P)[0], folder / "results.json")

    done = workflow.run_steps(machine, JOBS["history"]["steps"], known)

    assert done.failed
    page = (machine.artifacts / "kernel-history/index.html").read_text()
    assert "does not count as a pass" in page


def test_new_breaks_are_bisected_with_the_packages_of_both_nights(
    machine: Machine,
) -> None:
    night(machine, 0, P)
    keep(machine)
    night(machine, 1, F, **NEW)
    real = machine.action / ".venv/bin/python"
    # Shows what it is asked for; what reads the JSON is the real one.
    shutil.move(real, f"{real}.real")
    search = '*"runner bisect"*) echo "searched $*"'
    program(real, f'case $* in {search} ;; *) exec "{real}.real" "$@" ;; esac')
    shutil.rmtree(machine.workspace / "kernel-history")
    program(Path(machine.environment["PATH"].split(":")[0]) / "sudo", "exit 0")

    done = workflow.run_steps(
        machine, JOBS["bisect"]["steps"], {"inputs": {"suites": "probes"}}
    )

    assert not done.failed, done.said
    assert (
        "--suite probes --reports kernel-bisect/1 --good 6.1@6.1.170-1 "
        "--bad 6.1@6.1.176-1 -- task::state" in done.summary
    )


def test_docs_have_every_input() -> None:
    page = (ROOT / "docs/history.md").read_text()
    inputs = workflow.load(ROOT / ".github/workflows/nightly.yml")["on"][
        "workflow_call"
    ]["inputs"]

    for name in inputs:
        assert f"`{name}`" in page, name
