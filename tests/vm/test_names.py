"""Names that last: a baseline finds its cases in clones, after renames, by pytest."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import RunResults
from tests.vm.test_gate import GUARDED, SOURCE, SUITE, UNGUARDED

pytestmark = pytest.mark.vm

MATRIX = """\
kernels:
  - {id: "6.1", source: {type: debian, suite: bookworm}}
"""
TESTS = """
import pytest

@pytest.mark.parametrize("size", ["small", "large"])
def test_sizes(guest, size):
    assert size == "small"

class TestAlone:
    def test_sizes(self, guest):
        pass
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A run that ended in a project."""

    status: int
    said: str
    results: RunResults

    @property
    def cases(self) -> dict[str, str]:
        """The cases' names, and what became of them."""
        return {f"{it.suite}::{it.case}": str(it.outcome) for it in self.results.cases}

    @property
    def last(self) -> str:
        """The line of the verdict."""
        return next(
            line for line in reversed(self.said.splitlines()) if "compatible" in line
        )


def project(folder: Path, read: str, suite: str = SUITE) -> Path:
    """Make a clone of a project whose suite.yaml lies at its top."""
    (folder / ".git").mkdir(parents=True)
    (folder / "matrix.yaml").write_text(MATRIX)
    (folder / "suite.yaml").write_text(suite)
    (folder / "mine.bpf.c").write_text(SOURCE.replace("READ\n", read))
    return folder


def done(folder: Path, *words: str | Path) -> Done:
    """Run a command of this Python in a project."""
    ended = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    return Done(
        status=ended.returncode,
        said=ended.stdout + ended.stderr,
        results=resultsfile.read(folder / "reports/latest/results.json"),
    )


def run(folder: Path, *words: str | Path) -> Done:
    return done(folder, "runner", "--kernels", "6.1", "--suite", ".", *words)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the program with its guard, in a clone named myprobe."""
    folder = project(tmp_path_factory.mktemp("a") / "myprobe", GUARDED)
    found = run(folder)
    assert found.status == 0, found.said
    return folder / "reports/latest/results.json"


def test_a_regression_is_one_in_a_worktree_of_another_name(
    tmp_path: Path, baseline: Path
) -> None:
    folder = project(tmp_path / "worktree2", UNGUARDED)

    found = run(folder, "--baseline", baseline, "--gate", "regressions")

    assert found.status == 1, found.said
    assert found.cases == {"suite::state": "failed"}
    assert "6.1 (regression): suite::state" in found.said
    assert ": 1 regression\n" in found.said


def test_a_renamed_case_vanishes_unless_its_suite_says_what_it_was(
    tmp_path: Path, baseline: Path
) -> None:
    renamed = SUITE.replace("name: state", "name: task_state")
    folder = project(tmp_path / "clone", UNGUARDED, renamed)
    gate = ("--baseline", baseline, "--gate", "regressions", "--allow-new-failures")

    found = run(folder, *gate)
    assert found.status == 1, found.said
    assert "vanished: 6.1: suite::state" in found.said
    assert "incompatible: 1 failed; 1 baseline case vanished" in found.last

    # The same run, judged again.
    words = ("runner", "report", "reports/latest", *gate, "--allow-vanished")
    assert done(folder, *words).status == 0

    was = "name: probe\nwas: [suite]\n" + renamed.replace(
        "name: task_state", "name: task_state\n    was: [state]"
    )
    (folder / "suite.yaml").write_text(was)
    found = run(folder, *gate)
    assert found.status == 1, found.said
    assert "6.1 (regression): probe::task_state" in found.said
    assert "vanished" not in found.said


def test_pytest_tells_parameters_apart_and_knows_the_options(
    tmp_path: Path, baseline: Path
) -> None:
    folder = tmp_path / "clone"
    (folder / "tests").mkdir(parents=True)
    (folder / "matrix.yaml").write_text(MATRIX)
    (folder / "tests/test_mine.py").write_text(TESTS)
    words = ("pytest", "-c", "/dev/null", "--rootdir", ".", "--kernels", "6.1", "tests")
    gate = ("--baseline", baseline, "--gate", "regressions")

    found = done(folder, *words, *gate, "--allow-new-failures")
    assert found.cases == {
        "test_mine::test_sizes[small]": "passed",
        "test_mine::test_sizes[large]": "failed",
        "test_mine::TestAlone::test_sizes": "passed",
    }
    assert found.status == 1, found.said
    assert "1 baseline case vanished" in found.last

    both = ("--allow-vanished", "--allow-new-failures")
    assert done(folder, *words, *gate, *both).status == 0
