"""Tests in Python, with the plugin's fixtures, on a real kernel."""

import subprocess
import sys
from pathlib import Path

import pytest

from runner import suitefile
from tests.vm.conftest import DATA, ROOT

pytestmark = pytest.mark.vm

TEST = """
import pytest
from runner.errors import UsageError

def test_reads_its_own_pid(bpf, guest, kernel):
    loaded = bpf.load("canary.bpf.c")
    child = guest.agent.fork("python", timeout=10)
    rows = bpf.dump(loaded, "tasks").rows
    assert child.pid in [row.formatted_value["pid"] for row in rows]

def test_does_all_that_a_suite_does(bpf, guest, kernel):
    case = dict(
        object="canary.bpf.c",
        trigger=[{"fork": "canary"}],
        truth={"parent": {"proc": "/proc/${child.pid}/stat", "field": 4}},
    )
    right = {"value": "${truth.parent}", "equals": "${agent.pid}"}
    wrong = {"map": "tasks", "key": "${child.pid}", "field": "pid", "equals": 1}
    read = {**wrong, "equals": "${child.pid}"}
    assert bpf.run(**case, expect=[right, read]).outcome == "passed"
    result = bpf.run(**case, expect=[right, wrong])
    assert (result.outcome, result.failure_class) == ("failed", "wrong_value")
    with pytest.raises(UsageError, match="exepct"):
        bpf.run(**case, exepct=[right])
    with pytest.raises(UsageError, match="checks nothing"):
        bpf.run(**case)

def test_knows_its_kernel(guest, kernel):
    assert guest.hello.release.startswith(kernel.id)
"""


def test_pytest_itself_runs_suites_and_python_tests(tmp_path: Path) -> None:
    canary = (DATA / "suites/canary/canary.bpf.c").read_text()
    (tmp_path / "canary.bpf.c").write_text(canary)
    (tmp_path / "test_mine.py").write_text(TEST)

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", tmp_path),
            *("--kernels", "6.1", "--matrix", ROOT / "matrix.yaml"),
            *("--reports", tmp_path / "reports"),
            *(tmp_path, ROOT / "suites/skb"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    cases = len(suitefile.load(ROOT / "suites/skb/suite.yaml").suite.cases)
    assert f"{cases + TEST.count('def test_')} passed" in done.stdout
    assert (tmp_path / "reports/6.1/junit.xml").exists()
