"""What is seen of a run that goes on."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from runner.cli.progress import Live
from runner.plugin import recorder
from tests.unit.reports.runs import F, P, case


class Screen(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self) -> bool:
        return True


def reported(name: str, *, fails: bool = False) -> pytest.TestReport:
    found = pytest.TestReport(
        nodeid=name,
        location=("suite.yaml", 0, name),
        keywords={},
        outcome="failed" if fails else "passed",
        longrepr=None,
        when="call",
    )
    result = case("6.1", F if fails else P, name, duration=0.25)
    setattr(found, recorder._CASE, result.model_dump(mode="json"))
    return found


def shown(screen: io.StringIO, *, quiet: bool = False) -> str:
    console = Console(file=screen, width=100)
    with Live(console, quiet=quiet) as live:
        live._begin(1)
        live.pytest_runtest_logstart("state", ("suite.yaml", 0, "task::state@6.1"))
        live.pytest_runtest_logreport(reported("state"))
        live.pytest_runtest_logfinish("state")
    return screen.getvalue()


def test_in_a_log_there_is_a_plain_line_a_case() -> None:
    assert shown(io.StringIO()) == "     6.1  task::state  passed  0.25 s\n"


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_shows_no_case(quiet: bool) -> None:
    assert bool(shown(io.StringIO(), quiet=quiet)) is not quiet


def test_a_terminal_of_ci_is_not_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    assert "\x1b[2K" in shown(Screen())
    monkeypatch.setenv("CI", "true")
    assert "\x1b[2K" not in shown(Screen())


def test_a_terminal_shows_what_a_guest_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / "6.1").mkdir()
    (tmp_path / "6.1/runner.log").write_text(
        "14:52:38 DEBUG   MainThread runner.guest.guest: 6.1: loading a.bpf.o\n"
        "14:52:38 DEBUG   lane-1 runner.guest.guest: 6.1: attaching b\n"
    )
    screen = Screen()
    with Live(Console(file=screen, width=120), reports=tmp_path) as live:
        live._begin(1)
        live.pytest_runtest_logstart("a", ("suite.yaml", 0, "task::state[6.1]@6.1"))
        live.pytest_kernel_matrix_case_begins("b", "task::comm[6.1]", "lane-1")
        live._bar.refresh()

    line = re.sub(r"\x1b\[[\d;?]*\w", "", screen.getvalue())
    assert "task::state[6.1] loading a.bpf.o, task::comm[6.1] attaching b" in line


def test_colours_that_are_asked_for_make_no_terminal_of_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert "\x1b[?25l" not in shown(io.StringIO())
