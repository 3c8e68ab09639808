"""Threads that work off a schedule."""

import threading

import pytest

from runner.run.schedule import Schedule, Task
from runner.run.workers import Lanes

# Seconds after which a test has failed.
_DEADLINE = 10.0


def schedule(*kernels: str) -> Schedule[str]:
    return Schedule([Task(kernel=it, tenant="x", work=it) for it in kernels])


class Log:
    """Keeps who did what."""

    def __init__(self) -> None:
        self.performed: list[tuple[str, str]] = []
        self.left: list[tuple[int, str]] = []

    def perform(self, lane: int, task: Task[str], following: Task[str] | None) -> None:
        self.performed.append((task.work, threading.current_thread().name))

    def leave(self, lane: int) -> None:
        self.left.append((lane, threading.current_thread().name))


def test_all_is_done_and_told() -> None:
    log = Log()
    lanes = Lanes(2, schedule("a", "b", "c"), log.perform, log.leave)

    assert sorted(task.work for task in lanes.completed()) == ["a", "b", "c"]
    lanes.join()
    assert sorted(work for work, _ in log.performed) == ["a", "b", "c"]
    assert sorted(log.left) == [(0, "lane-0"), (1, "lane-1")]


def test_lanes_work_at_a_time() -> None:
    both = threading.Barrier(2, timeout=_DEADLINE)

    def perform(lane: int, task: Task[str], following: Task[str] | None) -> None:
        both.wait()

    lanes = Lanes(2, schedule("a", "b"), perform, lambda _: None)

    assert len(list(lanes.completed())) == 2
    assert not both.broken


def test_what_breaks_a_task_is_logged_and_the_rest_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def perform(lane: int, task: Task[str], following: Task[str] | None) -> None:
        if task.work == "a":
            raise ValueError("a fault")

    lanes = Lanes(1, schedule("a", "b"), perform, lambda _: None)

    assert [task.work for task in lanes.completed()] == ["a", "b"]
    assert "a fault" in caplog.text


def test_after_a_stop_no_task_begins_and_guests_are_ended() -> None:
    log = Log()

    def perform(lane: int, task: Task[str], following: Task[str] | None) -> None:
        log.perform(lane, task, following)
        lanes.stop()

    lanes = Lanes(1, schedule("a", "b", "c"), perform, log.leave)

    assert list(lanes.completed()) == []
    lanes.join()
    assert [work for work, _ in log.performed] == ["a"]
    assert len(log.left) == 1


def test_lanes_that_never_started_can_be_joined() -> None:
    Lanes(2, schedule("a"), Log().perform, Log().leave).join()
