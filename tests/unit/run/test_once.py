"""Things that several threads ask for, each made once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.run.once import Once

# Seconds; a test that takes that long has failed.
PATIENCE = 20


def test_different_things_are_made_at_the_same_time() -> None:
    once: Once[str, str] = Once()
    both = threading.Barrier(2)

    def make(name: str) -> str:
        both.wait(PATIENCE)
        return name.upper()

    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda name: once.get(name, lambda: make(name)), "ab")
        assert list(made) == ["A", "B"]


def test_who_asks_for_the_same_thing_waits_for_it() -> None:
    once: Once[str, int] = Once()
    begun, may_end = threading.Event(), threading.Event()
    calls: list[int] = []

    def make() -> int:
        calls.append(1)
        begun.set()
        may_end.wait(PATIENCE)
        return 5

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(once.get, "a", make)
        assert begun.wait(PATIENCE)
        second = pool.submit(once.get, "a", make)
        may_end.set()
        assert [first.result(), second.result()] == [5, 5]
    assert calls == [1]


def test_what_went_wrong_is_kept() -> None:
    once: Once[str, int] = Once()
    calls: list[int] = []

    def fail() -> int:
        calls.append(1)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            once.get("a", fail)
    assert calls == [1]


def test_what_ctrl_c_ended_is_made_at_the_next_call() -> None:
    once: Once[str, int] = Once()

    def interrupt() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once.get("a", interrupt)
    assert once.get("a", lambda: 5) == 5
