"""A runner that crashes in the action: the job is red."""

import sys
from pathlib import Path

import pytest

from runner.reports import resultsfile
from tests import workflow
from tests.faults.suite import suite
from tests.vm.conftest import ROOT
from tests.workflow import Machine, program

pytestmark = pytest.mark.vm

CRASHING = """\
export PYTHONPATH="{root}"
case $3 in
run) shift 2; exec "{python}" -m tests.vm.faulty {fault} -- "$@" ;;
*) exec "{python}" "$@" ;;
esac
"""


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        # While cases end, in the middle of a case's report, and of the last report.
        ("runner.run.ledger:Ledger.add@3=runtime", "2 of 4"),
        ("runner.plugin.recorder:Recorder.pytest_runtest_logreport@8=memory", "2 of 4"),
        ("runner.reports.journal:Journal._write@1=full", ""),
    ],
)
def test_a_crash_is_red(fault: str, done: str, tmp_path: Path) -> None:
    names = ("workspace", "artifacts", "temp", "action")
    folders = {name: tmp_path / name for name in names}
    for folder in folders.values():
        folder.mkdir()
    machine = Machine(**folders, environment={})
    workflow.checkout(machine.action)
    crashing = CRASHING.format(root=ROOT, python=sys.executable, fault=fault)
    program(machine.action / ".venv/bin/python", crashing)
    made = suite(machine.workspace, with_test=False)
    text = (made / "suite.yaml").read_text().replace("equals: 51", "equals: 50")
    (made / "suite.yaml").write_text(text)

    ended, outputs = workflow.run_action(
        machine, {"kernels": "6.1", "suites": made.name, "accel": "tcg"}
    )

    assert ended.failed, ended.said
    results = machine.workspace / "kernel-matrix-report/results.json"
    assert results.exists() is bool(done)
    if done:
        assert resultsfile.read(results).progress == done
        assert outputs["complete"] == "false"
        assert "incomplete" in (results.parent / "badge.svg").read_text()
