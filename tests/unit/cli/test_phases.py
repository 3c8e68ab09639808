"""What a guest is asked right now."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.cli.phases import phase

LINE = "2026-11-23T14:52:38.381 DEBUG   lane-0 runner.guest.guest: 6.1: {}\n"
OTHER = "2026-11-23T14:52:38.381 DEBUG   lane-0 runner.guest.qemu.vm: + setpriv\n"


def logged(folder: Path, text: str) -> str:
    (folder / "6.1").mkdir(exist_ok=True)
    (folder / "6.1/runner.log").write_text(text)
    return phase("6.1", "lane-0", folder)


def test_the_last_step_counts(tmp_path: Path) -> None:
    text = LINE.format("booting") + LINE.format("loading task.bpf.c") + OTHER

    assert logged(tmp_path, text) == "loading task.bpf.c"


def test_what_another_lane_does_with_the_kernel_does_not(tmp_path: Path) -> None:
    text = LINE.format("booting") + LINE.format("loading").replace("lane-0", "lane-1")

    assert logged(tmp_path, text) == "booting"


def test_a_line_that_is_being_written_does_not(tmp_path: Path) -> None:
    text = LINE.format("booting") + LINE.format("loading").rstrip("\n")

    assert logged(tmp_path, text) == "booting"


def test_a_long_step_is_cut(tmp_path: Path) -> None:
    assert logged(tmp_path, LINE.format("x" * 50)) == "x" * 39 + "…"


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    text = LINE.format("booting") * 10_000 + LINE.format("attaching")

    assert logged(tmp_path, text) == "attaching"


@pytest.mark.parametrize("text", ["", OTHER])
def test_without_a_step_nothing_is_told(tmp_path: Path, text: str) -> None:
    assert logged(tmp_path, text) == ""


def test_without_a_log_nothing_is_told(tmp_path: Path) -> None:
    assert phase("6.1", "lane-0", tmp_path) == ""


@given(st.binary())
def test_any_log_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "6.1").mkdir()
    (folder / "6.1/runner.log").write_bytes(data)

    assert len(phase("6.1", "lane-0", folder)) <= 40
