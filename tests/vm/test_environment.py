"""The main job in a folder and an environment that are full of traps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import Outcome
from tests.vm.conftest import DATA, ROOT

pytestmark = pytest.mark.vm

COMMAND = Path(sys.executable).with_name("bpf-kernel-matrix")
TRAP = 'raise SystemExit("foreign")\n'
TEST = """\
import os

def test_mine(guest, mine):
    assert guest.agent
    assert os.environ["PYTHONPATH"] == mine
    assert "PYTHONSAFEPATH" not in os.environ
"""
CONFTEST = """\
import pytest

@pytest.fixture
def mine():
    return {!r}
"""


@pytest.mark.parametrize("processes", [False, True])
def test_a_run_among_traps(processes: bool, tmp_path: Path) -> None:
    for name in ("runner/__init__", "yaml", "pytest", "json", "rich"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(TRAP)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nosuch\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/test_mine.py").write_text(TEST)
    (tmp_path / "mine/conftest.py").write_text(CONFTEST.format(str(tmp_path)))
    suite = DATA / "suites/canary"
    if processes:
        words = ["--kernels", "6.1,6.12", "-n", "2", "--suite", "mine", str(suite)]
    else:
        (tmp_path / "conftest.py").write_text(TRAP)
        # Python tests may import what PYTHONPATH has, and so may libraries then.
        (tmp_path / "simplejson.py").write_text(TRAP)
        words = ["--kernels", "6.1", "--suite", str(suite)]
    words += ["--matrix", str(ROOT / "matrix.yaml")]

    done = subprocess.run(
        [COMMAND, *words],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "PYTEST_ADDOPTS": "--nosuch",
            "PYTEST_PLUGINS": "nosuch",
            "COLUMNS": "0",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )

    # The canary is there to fail.
    assert done.returncode == 1, done.stdout + done.stderr
    found = resultsfile.read(tmp_path / "reports/latest/results.json").cases
    own = [case for case in found if case.suite == "test_mine"]
    assert {case.outcome for case in own} <= {Outcome.PASSED}
    assert len(own) == (2 if processes else 0)
    assert len(found) > len(own)
    assert not (tmp_path / ".pytest_cache").exists()


@pytest.mark.parametrize("stream", [">&-", ">/dev/full", "<&- >&- 2>&-"])
def test_a_run_whose_output_is_lost_is_recorded(stream: str, tmp_path: Path) -> None:
    words = ["--kernels", "6.1", "--suite", f"{ROOT}/suites/task", "-k", "state"]
    words += ["--matrix", f"{ROOT}/matrix.yaml"]

    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {stream}', "sh", str(COMMAND), *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
    )

    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    found = resultsfile.read(tmp_path / "reports/latest/results.json")
    assert found.complete
    assert {case.outcome for case in found.cases} == {Outcome.PASSED}
