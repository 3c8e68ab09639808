"""One case on one kernel, by a run of its own: what its results say of the version."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.bisect.search import BootState
from runner.bisect.triallog import Trial
from runner.errors import ExitStatus, InfrastructureError, UsageError
from runner.process import startup
from runner.reports import resultsfile
from runner.results import CaseKey, CaseResult, Outcome, RunResults

# Seconds in which a run that was asked to end stops its guests and writes its reports.
_PATIENCE = 30.0
# Finds this program wherever it is started, before any folder `runner` of the user's.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from runner.__main__ import main; sys.exit(main())"
)
_STATES = {
    Outcome.PASSED: BootState.GOOD,
    Outcome.FAILED: BootState.BAD,
    Outcome.ERROR: BootState.SKIP,
    Outcome.SKIPPED: BootState.SKIP,
}
_OUTPUT = "output.log"


@dataclass(frozen=True, kw_only=True)
class RunOfCase:
    """How a case is run."""

    suite: str
    case: str
    # Options of the run that are the same for all versions: where its suite is, and how
    # guests run.
    options: tuple[str, ...]
    # The folder of the search's reports.
    folder: Path

    @property
    def name(self) -> str:
        """What reports call the case."""
        return f"{self.suite}::{self.case}"

    def arguments(self, kernels: Sequence[str]) -> list[str]:
        """Return the arguments of `python -m runner` that run it on some kernels."""
        return ["--kernels", ",".join(kernels), "-k", self.name, *self.options]

    def run(self, kernel: str, number: int) -> Trial:
        """Run it on a kernel, and return what the results say.

        `number` is how many runs there were before. Raises UsageError for what the run
        refuses, InfrastructureError for a run that writes no results.
        """
        place = f"boots/{number + 1:02}-{kernel}"
        folder = self.folder / place
        started = time.monotonic()
        words = [*self.arguments([kernel]), "--reports", str(folder), "--quiet"]
        status, output = _finished(words)
        results = folder / "results.json"
        if not results.exists():
            lines = output.strip() or f"it ended with status {status}"
            if status == ExitStatus.USAGE:
                raise UsageError(lines.removeprefix("error: "))
            raise InfrastructureError(f"the run on {kernel} wrote no results: {lines}")
        (folder / _OUTPUT).write_text(output)
        found = of_results(
            resultsfile.read(results), CaseKey(kernel, self.suite, self.case)
        )
        seconds = time.monotonic() - started
        return found.model_copy(update={"seconds": seconds, "reports": place})


def of_results(results: RunResults, key: CaseKey) -> Trial:
    """Return what a run says of a version."""
    for case in results.cases:
        if case.key == key:
            return _of_case(case)
    kernels = [it for it in results.kernels if it.id == key.kernel]
    why = kernels[0].error if kernels else ""
    why = why or "the case did not run there"
    return Trial(kernel=key.kernel, state=BootState.SKIP, message=why)


def _of_case(case: CaseResult) -> Trial:
    message = case.message
    if case.outcome is Outcome.SKIPPED:
        message = f"the case does not run there: {case.message}"
    return Trial(
        kernel=case.kernel,
        state=_STATES[case.outcome],
        failure_class="" if case.outcome is Outcome.PASSED else case.failure_class,
        message=message,
    )


def _finished(words: Sequence[str]) -> tuple[int, str]:
    """Run this program to its end; return its exit status, and what it printed.

    Where it is interrupted, it ends its guests first.
    """
    argv = [sys.executable, "-P", "-c", _START, startup.HOME, "run", *words]
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    return process.returncode, output
