"""Runs of the main job, as a user starts them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import CaseResult, RunResults

# pytest-xdist sets it for its workers, and runs would break their lines there.
os.environ.pop("COLUMNS", None)

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/data"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that ended."""

    status: int
    output: str
    errors: str
    reports: Path

    @property
    def results(self) -> RunResults:
        """What it wrote to results.json."""
        return resultsfile.read(self.reports / "results.json")

    def case(self, name: str) -> CaseResult:
        """Return the only result of a case."""
        (found,) = [case for case in self.results.cases if case.case == name]
        return found


def command(*arguments: str | Path) -> list[str]:
    """Return the main job's command line."""
    return [sys.executable, "-m", "runner", *map(str, arguments)]


def run(
    *arguments: str | Path,
    reports: Path,
    option: str = "--reports",
    prefix: Sequence[str] = (),
    folder: Path = ROOT,
    before: str | None = None,
    seconds: int = 600,
    **environment: str,
) -> Finished:
    """Run the main job, or another verb, to its end; it writes below `reports`.

    It is started from `folder`. The option that names `reports` stands at the end, or
    `before` one of the arguments.
    """
    words = list(map(str, arguments))
    end = len(words) if before is None else words.index(before)
    words[end:end] = [option, str(reports)]
    done = subprocess.run(
        [*prefix, *command(*words)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    return Finished(
        status=done.returncode,
        output=done.stdout,
        errors=done.stderr,
        reports=reports,
    )


def guests(reports: Path) -> set[int]:
    """Return the pids of QEMU processes whose console goes below a folder."""
    found = subprocess.run(["pgrep", "-f", "^[^ ]*qemu-system-"], capture_output=True)
    pids = {int(word) for word in found.stdout.split()}
    return {pid for pid in pids if any(reports in it.parents for it in _opened(pid))}


def _opened(pid: int) -> Iterator[Path]:
    """Yield what a process has open; nothing of one that is gone."""
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                yield link.readlink()


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A folder for a run's reports."""
    return tmp_path / "reports"


def temporary(folder: Path) -> Path:
    """Make and return the folder for a run's temporary files."""
    made = folder / "temporary"
    made.mkdir()
    return made


@pytest.fixture
def long_run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in the middle of its cases, with a guest."""
    suite = tmp_path / "long"
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    (suite / "suite.yaml").write_text(
        "description: long\n"
        "cases:\n"
        "  - {name: first, object: fine.bpf.c, trigger: [{test_run: length}],\n"
        "     expect: [{value: '${run.retval}', equals: 50}]}\n"
        "  - {name: long, object: fine.bpf.c, trigger: [{sleep: 50}],\n"
        "     expect: [{program: length, show: {type: socket_filter}}]}\n"
    )
    process = subprocess.Popen(
        [
            # CI may run these tests in the background, where shells ignore Ctrl-C.
            *("env", "--default-signal=HUP,INT,TERM"),
            *command(
                "--kernels", "6.12", "--suite", suite, "--reports", tmp_path / "r"
            ),
        ],
        cwd=ROOT,
        # Of its own: other programs of this machine have temporary files, too.
        env={**os.environ, "TMPDIR": str(temporary(tmp_path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "first" in line:
            break
    assert guests(tmp_path / "r")
    with process:
        yield process
        process.kill()
