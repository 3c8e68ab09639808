"""Each Python test file of a run has tests: else it would vanish in silence.

A module that skips itself, such as by pytest.importorskip(), has none.
"""

from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

_PATTERN = "test_*.py"
# Folders that pytest does not enter by default, but for hidden ones.
_LEFT_OUT = {"_darcs", "build", "CVS", "dist", "node_modules", "venv", "__pycache__"}


class EachFile:
    """A pytest plugin that refuses a file without tests, before anything runs."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """`paths` are the files and folders that were given."""
        self._files = [file for path in paths for file in _files(path)]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Leave alone what can't be collected: that is an error already."""
        if report.failed:
            self._files = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(
        self, session: pytest.Session
    ) -> Generator[None, bool, bool]:
        """Look at what this process collected."""
        if session.items:
            self._require([item.nodeid for item in session.items])
        return (yield)

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_xdist_node_collection_finished(
        self, ids: list[str]
    ) -> Generator[None, None, None]:
        """Look at what a worker collected."""
        self._require(ids)
        return (yield)

    def _require(self, nodeids: Iterable[str]) -> None:
        # By name: node ids outside of pytest's root have no more.
        found = {Path(it.partition("::")[0]).name for it in nodeids}
        for file in self._files:
            if file.name not in found:
                raise pytest.UsageError(
                    f"{file}: no test was collected; the file is empty, or skips "
                    "itself as a whole. Leave it out of --suite, or let a test in it "
                    "skip itself with a reason"
                )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.match(_PATTERN) else []
    return sorted(
        file
        for file in path.rglob(_PATTERN)
        if not any(
            part.startswith(".") or part in _LEFT_OUT
            for part in file.relative_to(path).parts[:-1]
        )
    )
