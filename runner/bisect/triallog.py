"""The log of a search: a line a boot, so that nothing is lost when it ends early.

JSON lines. The first line says what is searched for; `--resume` goes on after the last.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from runner.bisect.search import BootState, TriedBoot
from runner.errors import UsageError
from runner.reports.atomic import explained
from runner.results import Record, Seconds

_AGAIN = "without --resume, the search begins again"


class BisectQuestion(Record):
    """What is searched for."""

    schema_version: int = 1
    """The version of this format."""
    case: str
    """SUITE::CASE."""
    versions: tuple[str, ...]
    """The ids of the versions, from the good end to the bad one."""
    suites_sha256: str
    """The SHA-256 of the suite, its sources and objects."""


class Trial(Record):
    """One boot."""

    kernel: str
    """The version's id."""
    state: BootState
    """What it says."""
    failure_class: str = ""
    """The failure class, if it is bad."""
    message: str = ""
    """The failure, or why it is skipped."""
    seconds: Seconds = 0.0
    """How long it took."""
    reports: str = ""
    """The folder of its reports, relative to the log's; empty if it was not booted."""

    @property
    def boot(self) -> TriedBoot:
        """The same as the search takes it."""
        return TriedBoot(
            state=self.state,
            failure_class=self.failure_class,
            message=self.message,
            seconds=self.seconds,
        )


class TrialLog:
    """A log that is written as the search goes on."""

    def __init__(
        self, path: Path, question: BisectQuestion, known: Sequence[Trial]
    ) -> None:
        self._path = path
        self._waiting = list(known)
        self.trials = list(known)
        lines = [question, *known]
        with explained(path):
            path.write_text("".join(f"{it.model_dump_json()}\n" for it in lines))

    def next_of(self, kernel: str) -> Trial | None:
        """Return the next boot of a version that the log already has, once each."""
        for number, trial in enumerate(self._waiting):
            if trial.kernel == kernel:
                return self._waiting.pop(number)
        return None

    def add(self, trial: Trial) -> None:
        """Write a boot. Raises InfrastructureError."""
        self.trials.append(trial)
        with explained(self._path), self._path.open("a") as file:
            file.write(f"{trial.model_dump_json()}\n")


def begun(path: Path, question: BisectQuestion, *, resume: bool) -> TrialLog:
    """Return the log of a search, with the boots of an earlier one if it is resumed.

    Raises UsageError for a log of another question, or of a suite that changed since.
    """
    if not resume:
        return TrialLog(path, question, ())
    if not path.exists():
        raise UsageError(
            f"--resume: there is no {path}",
            hint="--reports names the folder of the search that was interrupted; if it "
            "was interrupted before its first boot, leave --resume out",
        )
    asked, trials = read(path)
    if asked.case != question.case:
        raise UsageError(
            f"--resume: {path} is about {asked.case}, not {question.case}", hint=_AGAIN
        )
    if asked.suites_sha256 != question.suites_sha256:
        raise UsageError(
            f"--resume: the suite, its sources or objects changed since {path} was "
            "written",
            hint=_AGAIN,
        )
    # Other versions are no mistake: the archive may have moved on, and each boot counts
    # for its own version.
    return TrialLog(path, question, trials)


def read(path: Path) -> tuple[BisectQuestion, list[Trial]]:
    """Return what a log has. Raises UsageError for a file that is none.

    A last line that was cut off is left out.
    """
    with explained(path):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    trials: list[Trial] = []
    try:
        question = BisectQuestion.model_validate_json(lines[0] if lines else "")
        for number, line in enumerate(lines[1:], 2):
            if number == len(lines) and not _is_json(line):
                break
            trials.append(Trial.model_validate_json(line))
    except ValidationError as error:
        raise UsageError(
            f"{path} is not the log of a search: {error.errors()[0]['msg']}",
            hint=_AGAIN,
        ) from error
    return question, trials


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
