"""What a run leaves behind: files, and the summary on the terminal."""

import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runner.errors import InfrastructureError
from runner.reports.atomic import explained, write_text
from runner.reports.claim import LOCK

if TYPE_CHECKING:
    from runner.reports.criteria import Report
    from runner.reports.formats import Format

log = logging.getLogger(__name__)

RESULTS = "results.json"
JUNIT = "junit.xml"
CONSOLE = "console.log"
LOG = "runner.log"

# All that a run writes. A list of its own, because formats take a while to import,
# and guests start first; a test holds it against them.
_WRITTEN = (
    *(RESULTS, "summary.md", "results.sarif"),
    *("release.md", "release.html", "release.json"),
    *("report.html", "badge.svg", "matrix.svg"),
    *(f"*/{JUNIT}", f"*/{CONSOLE}", f"*/{LOG}"),
    # What `replay` needs.
    *("replay/replay.json", "replay/files/*"),
    # What commands printed.
    *("*/output/*/*.stdout", "*/output/*/*.stderr"),
)
# What a run leaves only when it is killed: files half written, consoles of guests.
_LEFT = (
    ".*.json.*",
    ".*.md.*",
    ".*.sarif.*",
    ".*.html.*",
    ".*.svg.*",
    "*/.junit.xml.*",
)
PARTS = "*/console.*-*.log"


def clear(folder: Path) -> None:
    """Remove an earlier run's reports but for results.json, and nothing of others.

    Raises InfrastructureError when the folder can't be written.
    """
    with explained(folder):
        for pattern in (*_WRITTEN, *_LEFT, PARTS):
            for path in folder.glob(pattern):
                if path.name != RESULTS:
                    path.unlink()
        for pattern in ("*/output/*/", "*/output/", "replay/files/", "*/"):
            for empty in folder.glob(pattern):
                if not any(empty.iterdir()):
                    empty.rmdir()


def sweep(folder: Path) -> None:
    """Remove what is left of a run that has no time to end in good order."""
    for pattern in (*_LEFT, PARTS):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
    (folder / LOCK).unlink(missing_ok=True)


def folder_of(kernel: str, folder: Path) -> Path:
    """Return the folder of a kernel's reports, which is made if need be.

    Raises InfrastructureError when it can't be.
    """
    own = folder / kernel
    with explained(own):
        own.mkdir(parents=True, exist_ok=True)
    return own


def write(
    report: "Report", folder: Path, *, formats: "Sequence[Format] | None" = None
) -> None:
    """Write a run in some formats, by default in all; each file whole or not at all.

    A format that fails does not keep the others from being written. Raises
    InfrastructureError for the first one that failed: the disk is full, the folder
    can't be written, or this program is at fault.
    """
    # Here, because guests start before there is anything to write.
    from runner.reports.formats import FORMATS

    failures = []
    for format_ in FORMATS if formats is None else formats:
        try:
            for name, text in format_.files(report).items():
                write_text(folder / name, text)
        except InfrastructureError as error:
            failures.append(error)
            if format_.pattern == RESULTS:
                # The others would contradict what is left of it.
                break
        except Exception as error:
            log.debug("%s", format_.name, exc_info=True)
            failures.append(
                InfrastructureError(
                    f"{folder / format_.pattern} was not written: internal error: "
                    f"{type(error).__name__}: {error}",
                    hint="please report this; the other reports are not affected",
                )
            )
    if failures:
        raise failures[0]


def summary_text(
    report: "Report",
    folder: Path | None = None,
    *,
    file: TextIO | None = None,
    width: int | None = None,
    quiet: bool = False,
    explain: str = "",
) -> str:
    """Return the summary as it fits `file`, which is standard output by default.

    Coloured as runner.text.console says; in ASCII where the file's encoding is not
    UTF-8. `explain` is the command that says more of a failure.
    """
    from runner.reports import summary
    from runner.text import console

    target = file or sys.stdout
    terminal = console.is_terminal(target)
    buffer = _Buffer(target.encoding or "utf-8", terminal=terminal)
    # COLUMNS may be those of the terminal that a log is not for.
    usual = None if terminal else console.WIDTH_OF_LOGS
    to = console.make(buffer, width=width or usual)
    summary.render(report, to, folder, quiet=quiet, explain=explain)
    return buffer.getvalue().rstrip("\n")


class _Buffer(io.StringIO):
    """Text in memory that is going to be written in some encoding."""

    # io.StringIO's own can't be set.
    encoding = "utf-8"

    def __init__(self, encoding: str, *, terminal: bool) -> None:
        super().__init__()
        self.encoding = encoding
        self._terminal = terminal

    def isatty(self) -> bool:
        """Whether it is going to be written to a terminal."""
        return self._terminal
