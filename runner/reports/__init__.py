"""What a run leaves behind: files, and the summary on the terminal."""

import io
import sys
from pathlib import Path
from typing import TextIO

from runner.reports.atomic import explained, write_text
from runner.results import RunResults

RESULTS = "results.json"
PAGE = "report.html"
BADGE = "badge.svg"
MATRIX = "matrix.svg"
JUNIT = "junit.xml"
CONSOLE = "console.log"
LOG = "runner.log"

# Columns of output that is no terminal: logs of CI, which scroll sideways.
_WIDTH_OF_LOGS = 120


def clear(folder: Path) -> None:
    """Remove an earlier run's reports, and nothing else that lies there.

    Raises InfrastructureError when the folder can't be written.
    """
    with explained(folder):
        for name in (RESULTS, PAGE, BADGE, MATRIX):
            (folder / name).unlink(missing_ok=True)
        for name in (JUNIT, CONSOLE, LOG):
            for path in folder.glob(f"*/{name}"):
                path.unlink()
        for kernel in folder.glob("*/"):
            if not any(kernel.iterdir()):
                kernel.rmdir()


def folder_of(kernel: str, folder: Path) -> Path:
    """Return the folder of a kernel's reports, which is made if need be.

    Raises InfrastructureError when it can't be.
    """
    own = folder / kernel
    with explained(own):
        own.mkdir(parents=True, exist_ok=True)
    return own


def write(results: RunResults, folder: Path) -> None:
    """Write results.json, KERNEL/junit.xml, the page and the pictures.

    Each is there whole or not at all.

    Raises InfrastructureError when the disk is full or the folder can't be written.
    """
    # Here, because guests start before there is anything to write.
    from runner.reports import junit, page, pictures, resultsfile

    for kernel, text in junit.documents(results):
        write_text(folder / kernel.id / JUNIT, text)
    resultsfile.write(results, folder / RESULTS)
    write_text(folder / PAGE, page.render(results))
    write_text(folder / BADGE, pictures.badge(results))
    write_text(folder / MATRIX, pictures.matrix(results))


def summary_text(
    results: RunResults,
    folder: Path | None = None,
    *,
    file: TextIO | None = None,
    width: int | None = None,
) -> str:
    """Return the summary as it fits `file`, which is standard output by default.

    Coloured only for a terminal, and never with NO_COLOR; in ASCII where the file's
    encoding is not UTF-8.
    """
    from rich.console import Console

    from runner.reports import summary

    target = file or sys.stdout
    terminal = target.isatty()
    buffer = _Buffer(target.encoding or "utf-8")
    console = Console(
        file=buffer,
        force_terminal=terminal,
        width=width if width is not None or terminal else _WIDTH_OF_LOGS,
    )
    summary.render(results, console, folder)
    return buffer.getvalue().rstrip("\n")


class _Buffer(io.StringIO):
    """Text in memory that is going to be written in some encoding."""

    # io.StringIO's own can't be set.
    encoding = "utf-8"

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self.encoding = encoding
