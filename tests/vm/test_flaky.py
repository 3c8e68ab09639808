"""A guest that is lost for no fault of the object's: tried again, and told."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from runner.deadline import Deadline
from runner.reports import resultsfile
from runner.results import Outcome
from tests.vm.conftest import DATA, ROOT, command, guests

pytestmark = pytest.mark.vm

SUITE = """\
description: long
cases:
  - name: long
    object: fine.bpf.c
    trigger: [{sleep: 5}, {test_run: length}]
    expect: [{value: '${run.retval}', equals: 50}]
"""


def kill_guest_at_work(reports: Path) -> None:
    """Kill the guest whose case sleeps."""
    log, deadline = reports / "6.12/runner.log", Deadline.after(120)
    while not (log.exists() and "running trigger" in log.read_text()):
        assert not deadline.expired
        time.sleep(0.01)
    # The guest that was booted for a snapshot may still be ending.
    while len(found := guests(reports)) != 1:
        assert not deadline.expired
        time.sleep(0.01)
    os.kill(found.pop(), signal.SIGKILL)


@pytest.mark.parametrize("mode", [[], ["--cold"]])
def test_a_lost_guest_is_replaced_once_and_told(
    tmp_path: Path, reports: Path, mode: list[str]
) -> None:
    suite = tmp_path / "long"
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    (suite / "suite.yaml").write_text(SUITE)
    process = subprocess.Popen(
        command("--kernels", "6.12", "--suite", suite, "--reports", reports, *mode),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    kill_guest_at_work(reports)
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 0, output
    results = resultsfile.read(reports / "results.json")
    (case,) = results.cases
    assert case.outcome is Outcome.PASSED
    assert "QEMU exited" in case.flaky
    assert "flaky, passed at the second try" in " ".join(output.split())
    assert "flaky:" in (reports / "6.12/junit.xml").read_text()
    (kernel,) = results.kernels
    assert len(kernel.boots + kernel.restores) >= 2
