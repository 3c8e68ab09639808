"""Threads that work off a schedule."""

import threading

import pytest

from runner.run.schedule import Schedule
from runner.run.workers import Workers
from tests.unit.run.tasks import Numbered, need

# Seconds after which a test has failed.
_DEADLINE = 10.0


def schedule(*kernels: str) -> Schedule[Numbered]:
    return Schedule(
        Numbered(need=need(kernel, "x"), number=number)
        for number, kernel in enumerate(kernels)
    )


class Log:
    """Keeps who did what."""

    def __init__(self) -> None:
        self.performed: list[tuple[str, str]] = []
        self.left: list[tuple[int, str]] = []

    def perform(self, worker: int, task: Numbered, following: Numbered | None) -> None:
        self.performed.append((str(task), threading.current_thread().name))

    def leave(self, worker: int) -> None:
        self.left.append((worker, threading.current_thread().name))


def test_all_is_done_and_told() -> None:
    log = Log()
    workers = Workers(2, schedule("a", "b", "c"), log.perform, log.leave)

    assert sorted(str(task) for task in workers.completed()) == ["ax0", "bx1", "cx2"]
    workers.join()
    assert sorted(work for work, _ in log.performed) == ["ax0", "bx1", "cx2"]
    assert sorted(log.left) == [(0, "worker-0"), (1, "worker-1")]


def test_workers_work_at_a_time() -> None:
    both = threading.Barrier(2, timeout=_DEADLINE)

    def perform(worker: int, task: Numbered, following: Numbered | None) -> None:
        both.wait()

    workers = Workers(2, schedule("a", "b"), perform, lambda _: None)

    assert len(list(workers.completed())) == 2
    assert not both.broken


def test_what_breaks_a_task_is_logged_and_the_rest_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def perform(worker: int, task: Numbered, following: Numbered | None) -> None:
        if task.number == 0:
            raise ValueError("a fault")

    workers = Workers(1, schedule("a", "b"), perform, lambda _: None)

    assert [str(task) for task in workers.completed()] == ["ax0", "bx1"]
    assert "a fault" in caplog.text


def test_after_a_stop_no_task_begins_and_guests_are_ended() -> None:
    log = Log()

    def perform(worker: int, task: Numbered, following: Numbered | None) -> None:
        log.perform(worker, task, following)
        workers.stop()

    workers = Workers(1, schedule("a", "b", "c"), perform, log.leave)

    assert list(workers.completed()) == []
    workers.join()
    assert [work for work, _ in log.performed] == ["ax0"]
    assert len(log.left) == 1


def test_workers_that_never_started_can_be_joined() -> None:
    Workers(2, schedule("a"), Log().perform, Log().leave).join()
