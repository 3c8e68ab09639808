"""KERNEL/runner.log: what this program did with a kernel's guests."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

_ROOT = logging.getLogger("runner")
_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)-7s %(threadName)s %(name)s: %(message)s"

# The kernel that this thread works for; a guest of the next one may be started beside.
_subject: ContextVar[str] = ContextVar("subject", default="")


class _Handler(logging.FileHandler):
    def __init__(self, path: Path, subject: str) -> None:
        super().__init__(path, encoding="utf-8")
        self.addFilter(lambda _: _subject.get() == subject)
        self.setFormatter(logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S"))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Lose a line rather than the run, when the disk is full."""

    def close(self) -> None:
        """Close the file; lines that it still can't hold are lost too."""
        with suppress(OSError):
            super().close()


def turn_to(kernel: str) -> None:
    """Let what this thread logs from now on be about a kernel."""
    _subject.set(kernel)


@contextmanager
def written_to(path: Path, kernel: str) -> Iterator[None]:
    """Append all that is logged about a kernel, debugging included, to a file.

    Raises OSError when it can't be written.
    """
    handler = _Handler(path, kernel)
    before = _ROOT.level
    _ROOT.setLevel(logging.DEBUG)
    _ROOT.addHandler(handler)
    try:
        yield
    finally:
        _ROOT.removeHandler(handler)
        _ROOT.setLevel(before)
        handler.close()
