"""How long work is shown: bars on a terminal, lines elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

# Imported where bars are shown: most runs have nothing to fetch.
if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

_BETWEEN_LINES = 10.0


class ProgressTask(Protocol):
    """One piece of work."""

    def advance_to(self, done: int, total: int) -> None:
        """Tell how many bytes of how many are done."""


class Progress(Protocol):
    """Where work is shown."""

    def task(self, name: str) -> AbstractContextManager[ProgressTask]:
        """Show a piece of work for the length of a `with` block."""

    def message(self, text: str) -> None:
        """Show a line that stays."""


class Lines:
    """Plain lines on standard error: the start, the end, and one each 10 s between."""

    @contextmanager
    def task(self, name: str) -> Iterator[ProgressTask]:
        """Show a piece of work."""
        started = time.monotonic()
        self.message(f"{name} …")
        yield _LineTask(self, name)
        self.message(f"{name}: done in {time.monotonic() - started:.1f} s")

    def message(self, text: str) -> None:
        """Show a line."""
        # At once: other threads show lines, too.
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class _LineTask:
    def __init__(self, lines: Lines, name: str) -> None:
        self._lines = lines
        self._name = name
        self._next = time.monotonic() + _BETWEEN_LINES

    def advance_to(self, done: int, total: int) -> None:
        if total and time.monotonic() >= self._next:
            self._next = time.monotonic() + _BETWEEN_LINES
            self._lines.message(f"{self._name}: {100 * done // total} %")


class Terminal:
    """Progress bars on standard error."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        # A terminal has room for the bars of all threads once.
        self._lock = threading.Lock()
        self._bars: Bars | None = None
        self._tasks = 0

    @contextmanager
    def task(self, name: str) -> Iterator[ProgressTask]:
        """Show a piece of work as a bar."""
        bars = self._shown()
        task = _BarTask(bars, name)
        try:
            yield task
        finally:
            task.remove()
            self._leave()
        self.message(f"{name}: done")

    def _shown(self) -> "Bars":
        from rich.progress import BarColumn, DownloadColumn, TextColumn
        from rich.progress import Progress as Bars

        with self._lock:
            if self._bars is None:
                columns = TextColumn("{task.description}"), BarColumn()
                self._bars = Bars(
                    *columns, DownloadColumn(), console=self._console, transient=True
                )
                self._bars.start()
            self._tasks += 1
            return self._bars

    def _leave(self) -> None:
        with self._lock:
            self._tasks -= 1
            if not self._tasks and self._bars is not None:
                self._bars.stop()
                self._bars = None

    def message(self, text: str) -> None:
        """Show a line above the bars."""
        self._console.print(text, highlight=False, markup=False)


class Hidden:
    """A progress that shows nothing."""

    @contextmanager
    def task(self, name: str) -> Iterator[ProgressTask]:
        """Show nothing of a piece of work."""
        yield self

    def advance_to(self, done: int, total: int) -> None:
        """Show nothing."""

    def message(self, text: str) -> None:
        """Show nothing."""


class _BarTask:
    def __init__(self, bars: "Bars", name: str) -> None:
        self._bars = bars
        self._id = bars.add_task(name, total=None)

    def remove(self) -> None:
        self._bars.remove_task(self._id)

    def advance_to(self, done: int, total: int) -> None:
        self._bars.update(self._id, completed=done, total=total or None)


def progress() -> Progress:
    """Return bars on a terminal, else lines."""
    if not sys.stderr.isatty():
        return Lines()
    from rich.console import Console

    console = Console(stderr=True)
    return Terminal(console) if console.is_terminal else Lines()
