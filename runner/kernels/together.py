"""Kernels that are got at the same time."""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from runner.matrix.matrix import Kernel
from runner.text.progress import Progress, ProgressTask

# Rows at a time. Most of them wait for a server, each of which is asked for a few files
# at once: see runner/kernels/hosts.py.
_MOST = 64
# Seconds that all of them have to clean up when nobody wants them any more.
_PATIENCE = 5.0

_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class FetchedRow(Generic[_Found]):
    """What became of a row."""

    kernel: Kernel
    found: _Found | None
    error: Exception | None

    def result(self) -> _Found:
        """Return what was found. Raises why nothing was."""
        if self.error is not None:
            raise self.error
        assert self.found is not None
        return self.found


def each(
    kernels: Sequence[Kernel],
    get: Callable[[Kernel, Progress], _Found],
    progress: Progress,
) -> Generator[FetchedRow[_Found], None, None]:
    """Yield what `get` finds for each kernel, as it comes.

    `get` is called in threads. When nobody wants more, as after Ctrl-C, those that are
    at work end at their next piece.
    """
    if len(kernels) < 2:
        for kernel in kernels:
            yield _outcome(kernel, get, progress)
        return
    stoppable = _Stoppable(progress)
    todo: queue.SimpleQueue[Kernel] = queue.SimpleQueue()
    done: queue.SimpleQueue[FetchedRow[_Found] | BaseException] = queue.SimpleQueue()
    for kernel in kernels:
        todo.put(kernel)

    def work() -> None:
        while not stoppable.is_stopped:
            try:
                kernel = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put(_outcome(kernel, get, stoppable))
            except BaseException as error:
                done.put(error)

    threads = [
        # So that a second Ctrl-C ends the program whatever they wait for.
        threading.Thread(target=work, name=f"fetch-{number}", daemon=True)
        for number in range(min(_MOST, len(kernels)))
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in kernels:
            outcome = done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        stoppable.stop()
        until = time.monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def _outcome(
    kernel: Kernel, get: Callable[[Kernel, Progress], _Found], progress: Progress
) -> FetchedRow[_Found]:
    try:
        found = get(kernel, progress)
    except Exception as error:
        return FetchedRow(kernel=kernel, found=None, error=error)
    return FetchedRow(kernel=kernel, found=found, error=None)


class _StoppedError(BaseException):
    """Nobody wants it any more. What is half done is removed on the way."""


class _Stoppable:
    """A progress that ends the work that it shows, once it is stopped."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stopped = threading.Event()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        self._stopped.set()

    def go_on(self) -> None:
        if self.is_stopped:
            raise _StoppedError

    @contextmanager
    def task(self, name: str) -> Iterator[ProgressTask]:
        """Show a piece of work."""
        self.go_on()
        with self._progress.task(name) as task:
            yield _StoppableTask(self, task)

    def message(self, text: str) -> None:
        """Show a line."""
        self.go_on()
        self._progress.message(text)


class _StoppableTask:
    def __init__(self, progress: _Stoppable, task: ProgressTask) -> None:
        self._progress = progress
        self._task = task

    def advance_to(self, done: int, total: int) -> None:
        self._progress.go_on()
        self._task.advance_to(done, total)
