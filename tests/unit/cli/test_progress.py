"""What is seen of a run that goes on."""

import io
import re
import threading
from collections.abc import Callable

import pytest
from rich.console import Console

from runner.cli.progress import Live
from runner.guest.guest import Guest
from runner.guest.life import Life, Starts, State
from runner.plugin import recorder
from tests.unit.guest.doubles import guest
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
    assert shown(io.StringIO()) == "     6.1  passed   task::state  0.25 s\n"


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_shows_no_case(quiet: bool) -> None:
    assert bool(shown(io.StringIO(), quiet=quiet)) is not quiet


def test_a_terminal_of_ci_is_not_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    assert "\x1b[2K" in shown(Screen())
    monkeypatch.setenv("CI", "true")
    assert "\x1b[2K" not in shown(Screen())


def on_terminal(
    live_on: Callable[[Live, Guest], None], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return what a terminal shows last, while a guest of 6.1 is at work."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    screen = Screen()
    with Live(Console(file=screen, width=200)) as live:
        starts = Starts(kernel="6.1", observe=live.pytest_kernel_matrix_step)
        live._begin(1)
        live_on(live, guest(life=Life(starts)))
        live._bar.refresh()
    return re.sub(r"\x1b\[[\d;?]*\w", "", screen.getvalue())


def test_a_terminal_shows_what_each_guest_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(live: Live, up: Guest) -> None:
        def attach() -> None:
            name = threading.current_thread().name
            live.pytest_kernel_matrix_case_begins("b", "task::comm[6.1]", name)
            with up.doing("attaching b"):
                pass

        live.pytest_runtest_logstart("a", ("suite.yaml", 0, "task::state[6.1]@6.1"))
        with up.doing("putting files"):
            pass
        with up.doing("loading a.bpf.o"):
            other = threading.Thread(target=attach)
            other.start()
            other.join()

    line = on_terminal(work, monkeypatch)

    assert re.search(r"task::state\[6.1\] loading a.bpf.o *\n", line)
    assert "task::comm[6.1] attaching b" in line


def test_a_terminal_shows_how_a_guest_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def boot(live: Live, up: Guest) -> None:
        live.pytest_runtest_logstart("a", ("suite.yaml", 0, "task::state[6.1]@6.1"))
        up.life.to(State.BOOTING)

    assert "task::state[6.1] booting" in on_terminal(boot, monkeypatch)


def test_a_terminal_shows_how_long_a_guest_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def boot(live: Live, up: Guest) -> None:
        live.pytest_runtest_logstart("a", ("suite.yaml", 0, "task::state[6.1]@6.1"))
        up.life.to(State.BOOTING)
        key = next(iter(live.steps))
        live.steps[key] = live.steps[key][0], live.steps[key][1] - 12

    assert "task::state[6.1] booting 12 s" in on_terminal(boot, monkeypatch)


def test_many_guests_at_work_take_some_lines_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(live: Live, up: Guest) -> None:
        for number in range(11):
            place = ("suite.yaml", 0, f"task::case_{number}[6.1]@6.1")
            live.pytest_runtest_logstart(str(number), place)

    text = on_terminal(work, monkeypatch)
    assert "task::case_7[6.1]" in text
    assert "task::case_8[6.1]" not in text
    assert "and 3 more" in text


def test_a_long_step_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(live: Live, up: Guest) -> None:
        live.pytest_runtest_logstart("a", ("suite.yaml", 0, "task::state[6.1]@6.1"))
        up.life.step("x" * 50)

    line = on_terminal(work, monkeypatch)

    assert f"task::state[6.1] {'x' * 39}…" in line
    assert "x" * 40 not in line


def test_colours_that_are_asked_for_make_no_terminal_of_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert "\x1b[?25l" not in shown(io.StringIO())
