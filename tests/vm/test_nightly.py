"""Two nights by the nightly workflow's own scripts, on real kernels of a real mirror.

Between them the mirror gets a newer package, on which a case no longer loads.
"""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import workflow
from tests.vm.conftest import ROOT
from tests.vm.test_bisect import project, runner, server  # noqa: F401
from tests.workflow import Done, Machine, program

pytestmark = pytest.mark.vm

JOBS = workflow.load(ROOT / ".github/workflows/nightly.yml")["jobs"]
WRONG = """\
  - name: flaky
    object: tracer.bpf.c
    trigger: [{fork: sleeper}]
    expect:
      - {map: states, key: "${child.pid}", field: seen, equals: 2}
"""
FLAKY = """\
flaky:
  - case: tracer::flaky
    class: wrong_value
    owner: "@ada"
    until: DAY
    reason: it is about to be rewritten
"""
# The night before is a folder.
GH = """case $1 in
api) [ ! -d "$PAST" ] || echo "2026-03-01T00:00:00Z 77" ;;
run) mkdir -p "$9" && cp -r "$PAST/." "$9" ;;
esac"""


def do(machine: Machine, job: str, **known: Any) -> Done:
    """Run a job's steps, in the checkout that all of this test has."""
    shutil.rmtree(machine.temp, ignore_errors=True)
    machine.temp.mkdir()
    told = {
        "runner": {"temp": str(machine.temp)},
        "github": {"ref_name": "main", "token": "t"},
        "inputs": {"matrix": "night.yaml", "suites": "tracer", "accel": "tcg"},
    }
    return workflow.run_steps(machine, JOBS[job]["steps"], {**told, **known})


def night(machine: Machine, version: str) -> Done:
    """Run the matrix with the mirror's package of the day, and append it."""
    workspace = machine.workspace
    matrix = (workspace / "matrix.yaml").read_text()
    (workspace / "night.yaml").write_text(f"{matrix}      version: {version}\n")
    part = machine.artifacts / "kernel-matrix.1-of-1"
    for path in (
        part,
        workspace / "kernel-history",
        workspace / "kernel-matrix-report",
    ):
        shutil.rmtree(path, ignore_errors=True)
    words = ["--matrix", "night.yaml", "--suite", "tracer", "--shard", "1/1"]
    words += ["--flaky", "flaky.yaml", "--reports", str(part), "-n", "1"]
    done = runner(workspace, *words)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return do(machine, "history")


@pytest.fixture
def machine(project: Path, tmp_path: Path) -> Machine:  # noqa: F811
    for name in ("artifacts", "temp"):
        (tmp_path / name).mkdir()
    workspace = shutil.copytree(project, tmp_path / "workspace")
    with (workspace / "tracer/suite.yaml").open("a") as file:
        file.write(WRONG)
    (workspace / "flaky.yaml").write_text(FLAKY.replace("DAY", soon()))
    program(tmp_path / "bin/gh", GH)
    return Machine(
        workspace=workspace,
        artifacts=tmp_path / "artifacts",
        temp=tmp_path / "temp",
        action=workflow.checkout(workspace / ".kernel-matrix"),
        environment={
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "PAST": str(tmp_path / "past"),
            "GITHUB_REPOSITORY": "owner/probes",
        },
    )


def soon() -> str:
    return str((datetime.now(UTC) + timedelta(days=30)).date())


def test_a_package_that_breaks_a_case_is_found_in_one_night(machine: Machine) -> None:
    words = ("sweep", "kept", "--since", "5", "--boot", "none", "--json")
    listed = runner(machine.workspace, *words)
    versions = [it["version"] for it in json.loads(listed.stdout)["versions"]]
    site = machine.artifacts / "kernel-history"

    first = night(machine, versions[0])

    # The flaky case is listed with its owner, and the night is green.
    assert not first.failed, first.said
    page = (site / "index.html").read_text()
    assert "@ada" in page
    assert "1 passed, 1 failed (known flaky)" in page
    # Which is no pass.
    assert "no verdict" in (site / "badges/linux.svg").read_text()
    shutil.copytree(site, machine.environment["PAST"])

    second = night(machine, versions[-1])

    assert second.failed
    assert second.outputs["history"]["bisect"] == "true"
    found = json.loads((site / "data/history.json").read_text())
    (broken,) = [it for it in found["broken"] if it["case"] == "tracer::state"]
    assert broken["bisect"] == {
        "case": "tracer::state",
        "good": f"kept@{versions[0]}",
        "bad": f"kept@{versions[-1]}",
    }
    assert "the kernel&#39;s change" in (site / "index.html").read_text()

    shutil.rmtree(machine.workspace / "kernel-history")
    shutil.copy(machine.workspace / "matrix.yaml", machine.workspace / "night.yaml")
    bisected = do(machine, "bisect")

    assert not bisected.failed, bisected.said
    # The first bad package, and what changed there.
    assert versions[1] in bisected.summary
    assert "__state" in bisected.summary
