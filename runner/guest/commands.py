"""The commands that run in a guest, and files with all that they printed.

A record holds the start and the end of each stream, as results.json has it; a file next
to the reports holds the whole.
"""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.errors import RunnerError
from runner.guest.agent import CommandOutput
from runner.results import Printed

log = logging.getLogger(__name__)

# The folder of a kernel's reports that holds the files.
FOLDER = "output"
# Characters of a stream's start and end that a record holds.
KEPT = 16 * 1024
# A test in Python may run any number of commands.
_MOST = 100
_LONGEST_NAME = 80
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]|^[.-]")
# Characters of a line that a message quotes.
_QUOTED = 200


class CommandFailedError(RunnerError):
    """A command did not end as it must, or could not be started."""

    def __init__(self, message: str, *, words: str = "", loads: bool = False) -> None:
        super().__init__(message)
        # What it printed: standard error, or else standard output.
        self.words = words
        # Whether it was started to load something.
        self.loads = loads


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the files of a case go."""

    # The run's reports.
    reports: Path
    # The case's folder below it.
    folder: PurePosixPath

    @classmethod
    def of(cls, reports: Path, kernel: str, case: str) -> "Place":
        """Return the place of a kernel's case, "SUITE.CASE"."""
        return cls(reports=reports, folder=PurePosixPath(kernel, FOLDER, _safe(case)))


class Commands:
    """What the commands of a case, or of a test, printed so far."""

    def __init__(self, place: Place | None = None) -> None:
        self._place = place
        self._names: Counter[str] = Counter()
        self._records: list[Printed] = []
        # Commands in the background that have not ended, by their names.
        self.running: dict[str, tuple[str, ...]] = {}

    @property
    def count(self) -> int:
        """How many were added."""
        return len(self._records)

    def since(self, start: int = 0) -> tuple[Printed, ...]:
        """Return what was added after the first `start`, at most the last 100."""
        return tuple(self._records[start:][-_MOST:])

    def add(self, name: str, argv: Sequence[str], output: CommandOutput) -> Printed:
        """Keep a command's output, and write it to files."""
        self._names[name] += 1
        count = self._names[name]
        # "truth.inode" of "truth inode".
        file = name.replace(" ", ".", 1)
        file = _safe(file if count == 1 else f"{file}-{count}")
        stdout_file = self._written(f"{file}.stdout", output.stdout)
        stderr_file = self._written(f"{file}.stderr", output.stderr)
        record = Printed(
            name=name,
            argv=tuple(argv),
            exit=output.exit,
            signal=output.signal or "",
            timed_out=output.timed_out,
            stdout=_shortened(
                output.stdout, stdout_file, is_whole=not output.truncated
            ),
            stderr=_shortened(
                output.stderr, stderr_file, is_whole=not output.truncated
            ),
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            truncated=output.truncated,
        )
        self._records.append(record)
        return record

    def watch(self, argv: Sequence[str], output: CommandOutput) -> None:
        """Keep the output of a command that a test in Python ran."""
        self.add(f"{PurePosixPath(argv[0]).name}", argv, output)

    def _written(self, name: str, text: str) -> str:
        """Return the file that now has a text, below the reports' folder."""
        if not text or self._place is None:
            return ""
        shown = self._place.folder / name
        path = self._place.reports / shown
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="replace", newline="")
        except OSError as error:
            # The record has its start and end; the verdict does not depend on it.
            log.warning("%s can't be written: %s", path, error.strerror or error)
            return ""
        return str(shown)


def failed(
    record: Printed, expected: str, *, observed: str = "", loads: bool = False
) -> CommandFailedError:
    """Return the failure of a command that ended, and not as `expected`."""
    return CommandFailedError(
        f"{subject(record.name, record.argv)}: expected {expected}, observed "
        f"{observed or record.ending}",
        words=record.stderr if record.stderr.strip() else record.stdout,
        loads=loads,
    )


def subject(name: str, argv: Sequence[str]) -> str:
    """Return how a message names a command."""
    kind = name if name.startswith("truth ") else "command"
    return f"{kind} {' '.join(argv)}"


def last_line(text: str) -> str:
    """Return the last line of what a command printed that has words."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_QUOTED] if lines else ""


def _safe(name: str) -> str:
    """Return a name that can be a file's, another one for each name."""
    clean = _UNSAFE.sub("_", name)[:_LONGEST_NAME]
    if name and clean == name:
        return name
    return f"{clean or '_'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _shortened(text: str, file: str, *, is_whole: bool) -> str:
    left = len(text) - 2 * KEPT
    if left <= 0:
        return text
    much = "all" if is_whole else "more"
    where = f"; {file} has {much} of it" if file else ""
    note = f"\n[… {left} characters are left out{where} …]\n"
    return text[:KEPT] + note + text[-KEPT:]
