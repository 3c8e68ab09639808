"""KERNEL/runner.log: what this program did with a kernel's guests."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = logging.getLogger("runner")
_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s"


class _Handler(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Lose a line rather than the run, when the disk is full."""


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Append all that is logged, debugging included, to a file.

    Raises OSError when it can't be written.
    """
    handler = _Handler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S"))
    before = _ROOT.level
    _ROOT.setLevel(logging.DEBUG)
    _ROOT.addHandler(handler)
    try:
        yield
    finally:
        _ROOT.removeHandler(handler)
        _ROOT.setLevel(before)
        handler.close()
