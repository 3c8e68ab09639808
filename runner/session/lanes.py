"""Cases at work in several guests at a time, each guest driven by a thread."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from runner.session.schedule import Schedule, Task

_Work = TypeVar("_Work")

# How a lane's thread is called in runner.log, before its number.
NAME = "lane"


log = logging.getLogger(__name__)

# Does a task in a lane's guest; the task that follows it, for which one may be started.
Perform = Callable[[int, Task[_Work], Task[_Work] | None], None]


class Lanes(Generic[_Work]):
    """Threads that do the tasks of a schedule. For one round only."""

    def __init__(
        self,
        count: int,
        schedule: Schedule[_Work],
        perform: Perform[_Work],
        leave: Callable[[int], None],
    ) -> None:
        """`leave` ends what a lane holds; its own thread calls it at its end."""
        self._schedule = schedule
        self._perform = perform
        self._leave = leave
        self._stopped = threading.Event()
        self._done: queue.SimpleQueue[Task[_Work] | None] = queue.SimpleQueue()
        self._threads = [
            # So that a second Ctrl-C ends the program whatever they wait for.
            threading.Thread(
                target=self._work, args=(number,), name=f"{NAME}-{number}", daemon=True
            )
            for number in range(count)
        ]

    def completed(self) -> Iterator[Task[_Work]]:
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
            task = self._schedule.take(number)
            if task is None:
                return
            try:
                self._perform(number, task, self._schedule.next_of(number))
            except Exception:
                # A fault of this program, which who looks at the task finds again.
                log.exception("%s: a case broke its worker", task.kernel)
            if not self._stopped.is_set():
                self._done.put(task)
