"""Python tests that check nothing are mistakes, found before anything boots."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import Outcome
from tests.unit.cli.test_isolation import project as project
from tests.unit.cli.test_isolation import run_all

EMPTY = """\
import pytest
@pytest.mark.parametrize("size", [])
def test_sizes({fixtures}size): pass
def test_other(kernel): pass
"""


@pytest.mark.parametrize("fixtures", ["kernel, ", ""])
def test_an_empty_parametrize_is_no_gap(fixtures: str, project: Path) -> None:
    (project / "test_mine.py").write_text(EMPTY.format(fixtures=fixtures))

    done = run_all(project, "--suite", "test_mine.py")

    told = "error: test_mine.py: Empty parameter set in 'test_sizes' at line 2\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, told, "")


def test_a_file_that_can_not_be_collected_is_one_error(project: Path) -> None:
    (project / "test_mine.py").write_text("import nosuch\n")

    done = run_all(project, "--suite", "test_mine.py")

    assert done.returncode == 2
    assert "No module named 'nosuch'" in done.stdout
    assert done.stderr == ""


def test_a_file_without_tests_is_an_error(project: Path) -> None:
    (project / "test_mine.py").write_text("")

    done = run_all(project, "--suite", "test_mine.py", "suite")

    assert done.returncode == 2
    assert "test_mine.py: no test was collected" in done.stderr


@pytest.mark.parametrize("mark", ["skip", "xfail"])
def test_in_a_users_own_pytest_it_fails(mark: str, project: Path) -> None:
    (project / "test_mine.py").write_text(EMPTY.format(fixtures="kernel, "))

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", project),
            *("-o", f"empty_parameter_set_mark={mark}"),
            *("--kernels", "4.4", "--matrix", project / "matrix.yaml"),
            *("--reports", project / "reports", project / "test_mine.py"),
        ],
        cwd=project,
        env={**os.environ, "XDG_CACHE_HOME": str(project.parent / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 1, done.stdout
    found = {
        it.case: it for it in resultsfile.read(project / "reports/results.json").cases
    }
    assert found["test_other"].outcome is Outcome.PASSED
    (sizes,) = [it for name, it in found.items() if name != "test_other"]
    assert (sizes.outcome, sizes.failure_class) == (Outcome.FAILED, "nothing_checked")
    assert sizes.message == "got empty parameter set for (size)"
