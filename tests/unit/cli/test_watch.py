import os
import pickle
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from runner import cli
from runner.cli import watch
from runner.cli.watchworker import WatchOrder, WatchVerdict
from runner.watching.touched import CaseName
from tests.unit.scaffold import sources

MATRIX = """\
suites: [mine]
kernels:
  - {id: "5.10", source: {type: debian, suite: bullseye}}
  - {id: "6.1", source: {type: debian, suite: bookworm}}
"""
SUITE = """\
description: d
cases:
  - name: one
    object: one.bpf.c
    expect: [{program: hit, show: {type: xdp}}]
  - name: two
    object: two.bpf.c
    expect: [{program: hit, show: {type: xdp}}]
"""


class FakeWaitingRun:
    """A run that waits, and keeps what it was asked for."""

    orders: ClassVar[deque[WatchOrder]] = deque()
    verdicts: ClassVar[deque[WatchVerdict]] = deque()
    # Done while it gets ready.
    saves: ClassVar[deque[object]] = deque()

    def __init__(self, arguments: object, folder: Path) -> None:
        # It goes to another process.
        pickle.dumps(arguments)
        folder.mkdir(parents=True, exist_ok=True)

    def wait_until_ready(self) -> None:
        """Let somebody save."""
        if FakeWaitingRun.saves:
            save = FakeWaitingRun.saves.popleft()
            assert callable(save)
            save()

    def perform(self, order: WatchOrder) -> WatchVerdict:
        """Return a prepared verdict."""
        FakeWaitingRun.orders.append(order)
        found = FakeWaitingRun.verdicts.popleft()
        settled = {it for it in order.only if any(map(it.covers, found.outcomes))}
        return replace(found, settled=frozenset(settled))

    def close(self) -> None:
        """Nothing is held."""


GREEN = WatchVerdict(status=0, outcomes={"mine::one": "passed", "mine::two": "passed"})
RED = WatchVerdict(status=1, outcomes={"mine::one": "failed"})
NOTHING = WatchVerdict(status=2)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a suite of two cases, as the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(watch, "WaitingRun", FakeWaitingRun)
    for kept in (FakeWaitingRun.orders, FakeWaitingRun.verdicts, FakeWaitingRun.saves):
        kept.clear()
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/suite.yaml").write_text(SUITE)
    for name in ("one", "two"):
        (tmp_path / f"mine/{name}.bpf.c").write_text(sources.HEAD)
    return tmp_path


def _append(path: Path) -> None:
    with path.open("a") as file:
        file.write("/* more */\n")


def _stop() -> None:
    raise KeyboardInterrupt


def test_a_save_runs_what_it_touches(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FakeWaitingRun.verdicts.extend([GREEN, RED])
    FakeWaitingRun.saves.append(lambda: _append(project / "mine/one.bpf.c"))

    assert cli.main(["watch", "--once"]) == 1

    first, second = FakeWaitingRun.orders
    assert first.only == {CaseName("mine", "one"), CaseName("mine", "two")}
    assert second.only == {CaseName("mine", "one")}
    output = capsys.readouterr().out
    assert "saved mine/one.bpf.c: 1 case\n" in output
    # What did not run again counts as it ended before.
    assert "all cases: 1 failed, 1 passed" in output
    assert "6.1: incompatible" in output


def test_a_broken_suite_is_told_and_waited_for(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = project / "mine/suite.yaml"
    FakeWaitingRun.verdicts.extend([GREEN, RED])
    FakeWaitingRun.saves.append(lambda: suite.write_text(SUITE + "  - nmae: three\n"))
    FakeWaitingRun.saves.append(
        lambda: suite.write_text(SUITE.replace("{type: xdp}", "{type: kprobe}", 1))
    )

    assert cli.main(["watch", "--once"]) == 1

    output = capsys.readouterr()
    assert "mine/suite.yaml:9" in output.err
    assert FakeWaitingRun.orders[-1].only == {CaseName("mine", "one")}


def test_a_case_without_a_verdict_stays_pending(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = project / "mine/suite.yaml"
    FakeWaitingRun.verdicts.extend([GREEN, NOTHING, RED])
    FakeWaitingRun.saves.extend(
        [
            lambda: _append(project / "mine/one.bpf.c"),
            lambda: suite.write_text(SUITE + "  - nmae: three\n"),
            lambda: suite.write_text(SUITE),
            _stop,
        ]
    )

    cli.main(["watch"])

    one = {CaseName("mine", "one")}
    assert [it.only for it in FakeWaitingRun.orders][1:] == [one, one]
    output = capsys.readouterr().out
    assert "no verdict" in output
    assert "all cases: 1 passed, 1 pending\n" in output
    assert "saved mine/suite.yaml: 1 case\n" in output
    assert "all cases: 1 failed, 1 passed\n" in output


def test_what_was_saved_with_a_broken_suite_is_not_forgotten(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = project / "mine/suite.yaml"
    FakeWaitingRun.verdicts.extend([GREEN, RED])
    third = SUITE[SUITE.index("  - name: two") :].replace("two", "three")
    changed = SUITE.replace("{type: xdp}", "{type: kprobe}", 1) + third

    def build() -> None:
        (project / "mine/three.bpf.c").write_text(sources.HEAD)
        _append(project / "mine/two.bpf.c")

    FakeWaitingRun.saves.extend([lambda: suite.write_text(changed), build])

    assert cli.main(["watch", "--once"]) == 1

    assert "three.bpf.c" in capsys.readouterr().err
    assert FakeWaitingRun.orders[-1].only == {
        CaseName("mine", it) for it in ("one", "two", "three")
    }


def test_sources_are_shown_as_people_write_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "mine/one.bpf.c").rename(project / "one.bpf.c")
    (project / "mine/suite.yaml").write_text(SUITE.replace("one.bpf.c", "../one.bpf.c"))
    FakeWaitingRun.verdicts.extend([GREEN, RED])
    FakeWaitingRun.saves.append(lambda: _append(project / "one.bpf.c"))

    cli.main(["watch", "--once"])

    assert "saved one.bpf.c: 1 case\n" in capsys.readouterr().out


def test_a_save_that_touches_nothing_runs_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = project / "mine/suite.yaml"
    FakeWaitingRun.verdicts.extend([GREEN, RED])
    FakeWaitingRun.saves.append(lambda: suite.write_text(f"# words\n{SUITE}"))
    FakeWaitingRun.saves.append(lambda: _append(project / "mine/two.bpf.c"))

    cli.main(["watch", "--once"])

    assert len(FakeWaitingRun.orders) == 2
    assert "saved mine/suite.yaml: no case is made of it" in capsys.readouterr().out


def test_the_last_reports_are_kept(project: Path) -> None:
    FakeWaitingRun.verdicts.extend([GREEN, RED])
    FakeWaitingRun.saves.append(lambda: _append(project / "mine/one.bpf.c"))

    cli.main(["watch", "--once"])

    assert [it.name for it in (project / "reports/watch").iterdir()] == ["last"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kernels", "all"], "watch uses one kernel; 5.10, 6.1 are selected"),
        (["--kernels", "7.0"], "7.0"),
        (["--suite", "other"], "other: there is no such file or folder"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    arguments: list[str],
    words: str,
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["watch", "--once", *arguments]) == 2

    assert words in capsys.readouterr().err
    assert not FakeWaitingRun.orders


def test_a_files_own_time_says_when_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    now = time.time()
    os.utime(path, (now - 3, now - 3))

    assert watch._saved_at([path]) == pytest.approx(now - 3, abs=0.1)
    # Checked out of an archive.
    os.utime(path, (1, 1))
    assert watch._saved_at([path]) == pytest.approx(now, abs=5)
