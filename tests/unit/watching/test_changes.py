import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.watching.changes import ChangedFiles


class SavingSteps:
    """Somebody who saves between two looks, and whose clock moves with each look."""

    def __init__(self, *saves: Callable[[], object]) -> None:
        self._saves = list(saves)
        self.now = 0.0
        # Looks after the last save until the wait is given up.
        self.left = 400

    def clock(self) -> float:
        """Return the time."""
        return self.now

    def wake(self, seconds: float) -> bool:
        """Let time pass, and a save happen."""
        self.now += seconds
        if self._saves:
            self._saves.pop(0)()
            return False
        self.left -= 1
        return self.left == 0


def _wait(
    path: Path, *saves: Callable[[], object], more: tuple[Path, ...] = ()
) -> tuple[list[Path], SavingSteps]:
    steps = SavingSteps(*saves)
    files = ChangedFiles(steps.clock)
    files.watch([path, *more])
    return files.wait(steps.wake), steps


def _nothing() -> None:
    return None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with text."""
    path = tmp_path / "tool.bpf.c"
    path.write_text("int one;")
    return path


def test_a_save_is_noticed(file: Path) -> None:
    changed, _ = _wait(file, lambda: file.write_text("int two;"))

    assert changed == [file]


def test_a_save_by_renaming_is_one_save(file: Path) -> None:
    new = file.with_suffix(".new")
    changed, steps = _wait(
        file,
        lambda: new.write_text("int two;"),
        lambda: file.rename(file.with_suffix(".old")),
        _nothing,
        lambda: new.rename(file),
    )

    assert changed == [file]
    assert steps.now < 1


def test_a_file_that_was_truncated_is_waited_for(file: Path) -> None:
    changed, steps = _wait(
        file,
        lambda: file.write_text(""),
        *[_nothing] * 10,
        lambda: file.write_text("int two;"),
    )

    assert changed == [file]
    assert steps.now > 0.3


def test_a_file_that_stays_away_is_told(file: Path) -> None:
    changed, steps = _wait(file, file.unlink)

    assert changed == [file]
    assert steps.now >= 1


def test_files_that_are_saved_together_are_one_save(file: Path) -> None:
    other = file.with_name("tool.h")
    other.write_text("a")
    changed, _ = _wait(
        file,
        lambda: file.write_text("int two;"),
        lambda: other.write_text("b"),
        more=(other,),
    )

    assert changed == [file, other]


def test_the_same_content_is_no_change(file: Path) -> None:
    text = file.read_text()
    changed, _ = _wait(
        file, lambda: os.utime(file, (1, 1)), lambda: file.write_text(text)
    )

    assert changed == []


def test_a_file_that_comes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "built.bpf.o"
    changed, _ = _wait(path, lambda: path.write_text("x"))

    assert changed == [path]


def test_a_save_between_two_waits_is_not_lost(file: Path) -> None:
    steps = SavingSteps()
    files = ChangedFiles(steps.clock)
    files.watch([file])
    file.write_text("int two;")
    files.watch([file, file.with_name("other.h")])

    assert files.wait(steps.wake) == [file]
