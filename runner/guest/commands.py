"""The commands that run in a guest, and files with all that they printed.

A record holds the start and the end of each stream, as results.json has it; a file next
to the reports holds the whole.
"""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from runner.errors import RunnerError
from runner.guest.replies import CommandEnd, CommandOutput
from runner.results import Printed

log = logging.getLogger(__name__)

# The folder of a kernel's reports that holds the files.
FOLDER = "output"
# Characters of a stream's start and end that a record holds.
KEPT = 16 * 1024
# A test in Python may run any number of commands.
_MOST = 100
_LONGEST_NAME = 80
# Bytes of a stream that a file holds, where output comes in pieces.
MOST_STREAMED = 1 << 30
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


class _Stream:
    """A stream of a command: whole in a file, its start and end in memory."""

    def __init__(self, place: Place | None, name: str) -> None:
        self._place = place
        self._name = name
        self._file: BinaryIO | None = None
        self.shown = ""
        self.size = 0
        self._head = bytearray()
        self._tail = bytearray()

    @property
    def is_whole(self) -> bool:
        """Whether the file has all of it."""
        return self.size <= MOST_STREAMED

    def write(self, data: bytes) -> None:
        """Take a piece."""
        if not self.size:
            self._open()
        room = max(0, KEPT - len(self._head))
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 4 * KEPT:
            del self._tail[:-KEPT]
        left = MOST_STREAMED - self.size
        self.size += len(data)
        if self._file is not None and left > 0:
            self._keep(self._file, data[:left])

    def _open(self) -> None:
        if self._place is None:
            return
        shown = self._place.folder / self._name
        path = self._place.reports / shown
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        except OSError as error:
            log.warning("%s can't be written: %s", path, error.strerror or error)
        else:
            self.shown = str(shown)

    def _keep(self, file: BinaryIO, data: bytes) -> None:
        try:
            file.write(data)
        except OSError as error:
            # A full disk: the record has its start and end.
            log.warning("%s can't be written: %s", file.name, error.strerror or error)
            self.close()
            self.shown = ""

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()

    def text(self) -> str:
        """Return its start and end, and how much is left out between them."""
        tail = bytes(self._tail[-KEPT:])
        left = self.size - len(self._head) - len(tail)
        note = b""
        if left:
            much = "all" if self.is_whole else "more"
            where = f"; {self.shown} has {much} of it" if self.shown else ""
            note = f"\n[… {left} bytes are left out{where} …]\n".encode()
        return (bytes(self._head) + note + tail).decode("utf-8", "replace")


class Recording:
    """A command that runs and prints."""

    def __init__(
        self,
        *,
        name: str,
        argv: tuple[str, ...],
        keep: Callable[[Printed], None],
        streams: Mapping[str, _Stream],
    ) -> None:
        self._name = name
        self._argv = argv
        self._keep = keep
        self._streams = streams

    def write(self, stream: str, data: bytes) -> None:
        """Take a piece of "stdout" or "stderr"."""
        self._streams[stream].write(data)

    def end(self, end: CommandEnd | None) -> Printed:
        """Keep how it ended; None if its guest was lost."""
        out, err = self._streams["stdout"], self._streams["stderr"]
        out.close()
        err.close()
        record = Printed(
            name=self._name,
            argv=self._argv,
            exit=None if end is None else end.exit,
            signal="" if end is None else end.signal or "",
            timed_out=end is not None and end.timed_out,
            stdout=out.text(),
            stderr=err.text(),
            stdout_file=out.shown,
            stderr_file=err.shown,
            truncated=not (out.is_whole and err.is_whole),
        )
        self._keep(record)
        return record


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

    def record(self, name: str, argv: Sequence[str]) -> "Recording":
        """Keep a command whose output comes in pieces, until `Recording.end`."""
        self._names[name] += 1
        count = self._names[name]
        file = _safe(name if count == 1 else f"{name}-{count}")
        return Recording(
            name=name,
            argv=tuple(argv),
            keep=self._records.append,
            streams={
                "stdout": _Stream(self._place, f"{file}.stdout"),
                "stderr": _Stream(self._place, f"{file}.stderr"),
            },
        )

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
