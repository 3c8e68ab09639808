"""Cases at work in several guests at once, each guest driven by a thread."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from runner.run.schedule import Schedule, Task

_Task = TypeVar("_Task", bound=Task)

log = logging.getLogger(__name__)

# Does a task in a worker's guest. For the one that follows, a guest may be started.
Perform = Callable[[int, _Task, _Task | None], None]


class Workers(Generic[_Task]):
    """Threads that do the tasks of a schedule. For one round only."""

    def __init__(
        self,
        count: int,
        schedule: Schedule[_Task],
        perform: Perform[_Task],
        leave: Callable[[int], None],
    ) -> None:
        """`leave` ends what a worker holds; its own thread calls it at its end."""
        self._schedule = schedule
        self._perform = perform
        self._leave = leave
        self._stopped = threading.Event()
        self._done: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads = [
            # So that a second Ctrl-C ends the program whatever they wait for.
            threading.Thread(
                target=self._work, args=(number,), name=f"worker-{number}", daemon=True
            )
            for number in range(count)
        ]

    def completed(self) -> Iterator[_Task]:
        """Start, and return tasks as they end, however they do."""
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            while (task := self._done.get()) is not None:
                yield task

    def stop(self) -> None:
        """Begin no task any more."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until all threads ended what they were at."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self, number: int) -> None:
        try:
            self._work_off(number)
        finally:
            self._leave(number)
            self._done.put(None)

    def _work_off(self, number: int) -> None:
        while not self._stopped.is_set():
            taken = self._schedule.take(number)
            if taken is None:
                return
            task, following = taken
            try:
                self._perform(number, task, following)
            except Exception:
                # A fault of this program, which who looks at the task finds again.
                log.exception("%s: a case broke its worker", task.need.kernel.id)
            if not self._stopped.is_set():
                self._done.put(task)
