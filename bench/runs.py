"""Whole runs of the main job, as a user starts them."""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError
from runner.files.shipped import ROOT
from runner.reports import resultsfile
from runner.results import Outcome

_OBJECT = ROOT / "tests/data/suites/hostile/fine.bpf.c"
_CASE = """\
  - name: case{number}
    object: object{number}.bpf.c
    trigger: [{{test_run: length}}]
    expect: [{{value: "${{run.retval}}", equals: 50}}]
"""
_FURTHER = 4
_ELEVEN = (
    "(identity or real_parent or comm or state or start_time or socket_filter "
    "or classifier or hash or struct_keys or array or per_cpu) "
    "and not compat and not writes and not mark"
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run that was green."""

    # From the command to its exit.
    seconds: float
    # Of each case that ran.
    cases: tuple[float, ...]


def job(kernels: str, *suites: Path, cases: str = "") -> Job:
    """Run the main job, with all suites unless some are named, or with some cases.

    Raises RunnerError when it is not green.
    """
    words = ["--kernels", kernels]
    for suite in suites:
        words += ["--suite", str(suite)]
    words += ["-k", cases] if cases else []
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "runner", *words, "--reports", folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - started
        if done.returncode != 0:
            # Why a run was stopped, or what failed in it, is on the second.
            raise RunnerError(
                f"the run on {kernels} ended with {done.returncode}",
                hint=done.stdout + done.stderr,
            )
        results = resultsfile.read(Path(folder) / "results.json")
    return Job(
        seconds=seconds,
        cases=tuple(
            case.duration
            for case in results.cases
            if case.outcome is not Outcome.SKIPPED
        ),
    )


def first_issue(kernels: str) -> Job:
    """Run the eleven cases that the suites had when their time was promised."""
    suites = (ROOT / "suites" / name for name in ("task", "skb", "maps"))
    return job(kernels, *suites, cases=_ELEVEN)


def further_object(kernel: str) -> float:
    """Return the seconds that each object beyond the first adds to a run."""
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder) / "one", Path(folder) / "many"
        _write(one, 1)
        _write(many, 1 + _FURTHER)
        # Compiled by these.
        job(kernel, one)
        job(kernel, many)
        return (job(kernel, many).seconds - job(kernel, one).seconds) / _FURTHER


def _write(folder: Path, objects: int) -> None:
    folder.mkdir()
    cases = (_CASE.format(number=number) for number in range(objects))
    (folder / "suite.yaml").write_text(f"description: x\ncases:\n{''.join(cases)}")
    for number in range(objects):
        source = _OBJECT.read_text() + f"/* {number} */\n"
        (folder / f"object{number}.bpf.c").write_text(source)
