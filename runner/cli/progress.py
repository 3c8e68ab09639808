"""What a user sees while a run goes on: a line a case, as it ends.

On a terminal a last line says which cases are at work, and for how long already.
"""

import os
import re
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest
from rich.console import Console
from rich.progress import (
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TimeElapsedColumn,
)
from rich.text import Text

from runner.cli import ended, internal
from runner.cli.streaming import Streams
from runner.errors import ExitStatus
from runner.guest.life import Step
from runner.plugin import RECORDER
from runner.plugin.recorder import Recorder, more_results_of, result_of
from runner.process import ending, streams
from runner.process.ending import Stopped
from runner.reports import agreement
from runner.reports.criteria import Report
from runner.results import CaseResult, Outcome
from runner.run.recording import Update

# "task::state[6.1]", and "test_mine.py::test_a[6.1-2]" of a test in Python.
_KERNEL = re.compile(r"\[([^\s\[\]/]+?)(?:-[^\[\]]*)?\]$")

# Columns of a step, with a blank before it.
_LONGEST = 41
# Cases at work that are shown, a line each.
_MOST_RUNNING = 8
# Seconds after which a step shows how long it takes already.
_LONG_WAIT = 5.0
# Columns of the spinner, the count and the clock, and the fewest of a case's line.
_BEFORE = 24
_LEAST_ROOM = 20

_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.ERROR: "bold yellow",
    Outcome.SKIPPED: "dim",
}


class Live(AbstractContextManager["Live"]):
    """A pytest plugin that prints progress and keeps the run's report."""

    def __init__(
        self,
        console: Console,
        *,
        quiet: bool = False,
        debug: bool = False,
    ) -> None:
        """Print to a console; `debug` shows tracebacks of this program's faults."""
        self._console = console
        self.width = console.width
        self._quiet = quiet
        self._debug = debug
        self.report: Report | None = None
        # What the report says of the run; None for a run without a plan.
        self.status: ExitStatus | None = None
        # Whether a report is missing.
        self.unwritten = False
        # What became of the files that cases record, with --update.
        self.updates: Sequence[Update] = ()
        # Faults that kept the run or its reports from being whole, a line each.
        self.faults: list[str] = []
        # What ended the run early, in words; None when nothing did.
        self.stopped: str | None = None
        self._stop_status = 0
        # What is at work, by node id: its name, and the thread that runs it.
        self.running: dict[str, tuple[str, str]] = {}
        # The last step of each thread with each kernel's guest, and when it began.
        self.steps: dict[tuple[str, str], tuple[str, float]] = {}
        self._streams = Streams(lambda line: console.print(Text(line)))
        self._bar = Progress(
            SpinnerColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _RunningCase(self),
            console=console,
            transient=True,
            disable=quiet or not _is_live(console),
        )
        self._task = self._bar.add_task("", total=None)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn how many cases there are."""
        if session.items:
            self._begin(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Learn it from a worker: the process that sees all cases collects none."""
        self._begin(len(ids))

    def _begin(self, cases: int) -> None:
        # Not before: bars of downloads are gone by now.
        self._bar.update(self._task, total=cases)
        self._bar.start()

    def pytest_runtest_logstart(
        self, nodeid: str, location: tuple[str, int | None, str]
    ) -> None:
        """Show a case that begins, unless a worker began it before."""
        # pytest-xdist adds @GROUP; ids of kernels may be ROW@VERSION.
        case, end, _ = location[2].partition("]@")
        shown = f"{case}]" if end else location[2]
        self.running.setdefault(nodeid, (shown, threading.main_thread().name))

    def pytest_kernel_matrix_case_begins(
        self, nodeid: str, name: str, thread: str
    ) -> None:
        """Show a case that a worker begins."""
        self.running[nodeid] = name, thread

    def pytest_kernel_matrix_step(self, step: Step) -> None:
        """Show what is done for a case."""
        self.steps[step.kernel, step.thread] = step.text, time.monotonic()

    def pytest_kernel_matrix_output(
        self, kernel: str, stream: str, data: bytes
    ) -> None:
        """Show what a program prints."""
        self._streams.feed(kernel, stream, data)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Count a case that ended."""
        self.running.pop(nodeid, None)
        self._bar.advance(self._task)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Show what can't be collected: a Python test that does not import."""
        if report.failed:
            self._console.print(Text(f"error: {report.nodeid}: {report.longreprtext}"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print a case's line, and end the run when nobody reads it."""
        self._show(report)
        ending.check()
        if streams.nobody_reads():
            raise Stopped("standard output was closed", ExitStatus.INFRASTRUCTURE)

    def _show(self, report: pytest.TestReport) -> None:
        result = result_of(report)
        if result is not None:
            self._streams.close(result.kernel)
            if self._quiet:
                return
            for each in (result, *more_results_of(report)):
                self._print(each)
        elif report.failed:
            self._console.print(Text(f"{report.nodeid}\n{report.longreprtext}"))

    def _print(self, result: CaseResult) -> None:
        line = Text(f"{result.kernel:>8}  ")
        line.append(f"{result.outcome:<7}", style=_STYLES[result.outcome])
        line.append(f"  {result.suite}::{result.case}")
        line.append(f"  {result.duration:.2f} s", style="dim")
        if result.outcome is Outcome.PASSED and agreement.is_waiting(result):
            line.append(", to be compared with other kernels", style="dim")
        if result.log_incomplete:
            line.append(", not all of the kernel's log was seen", style="dim")
        self._console.print(line)

    @property
    def exit_status(self) -> int:
        """The exit status of the whole run."""
        if self.stopped is None:
            return ExitStatus.INFRASTRUCTURE if self.status is None else self.status
        # A signal has a status of its own.
        failed = self.status is ExitStatus.INCOMPATIBLE
        infrastructure = self._stop_status == ExitStatus.INFRASTRUCTURE
        return (
            ExitStatus.INCOMPATIBLE if failed and infrastructure else self._stop_status
        )

    def pytest_keyboard_interrupt(
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> None:
        """Tell Ctrl-C from an end that pytest itself chose, such as by -x."""
        if isinstance(
            excinfo.value, pytest.exit.Exception | pytest.Session.Interrupted
        ):
            return
        assert isinstance(excinfo.value, KeyboardInterrupt)
        self.stopped, self._stop_status = ended(excinfo.value)

    def pytest_internalerror(
        self, excrepr: object, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> bool:
        """Keep a fault of this program for one line, in place of its traceback."""
        self.faults.append(internal(excinfo.value))
        if self._debug:
            self._console.print(Text(str(excrepr)))
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the report for the summary."""
        recorder = session.config.pluginmanager.getplugin(RECORDER)
        if isinstance(recorder, Recorder):
            self.report = recorder.report
            self.status = recorder.status
            self.updates = recorder.updates
            if recorder.unwritten is not None:
                self.unwritten = True
                self.faults.append(str(recorder.unwritten))


class _RunningCase(ProgressColumn):
    """The cases at work, each with what its guest is asked."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self._live = live

    def render(self, task: Task) -> Text:
        """Return a line a case: "task::state[6.1] loading task/task.bpf.c"."""
        # Copied, because it is drawn by a thread of its own.
        running = tuple(self._live.running.values())
        lines = [self._line(name, thread) for name, thread in running[:_MOST_RUNNING]]
        if len(running) > _MOST_RUNNING:
            lines.append(Text(f"and {len(running) - _MOST_RUNNING} more", "dim"))
        for line in lines:
            line.truncate(self._room, overflow="ellipsis")
        return Text("\n").join(lines)

    def _line(self, name: str, thread: str) -> Text:
        kernel = _KERNEL.search(name)
        key = (kernel[1] if kernel else "", thread)
        step, began = self._live.steps.get(key, ("", 0.0))
        line = Text(name)
        if step:
            words = Text(f" {step}", style="dim")
            words.truncate(_LONGEST, overflow="ellipsis")
            line.append_text(words)
            waited = time.monotonic() - began
            if waited >= _LONG_WAIT:
                line.append(f" {waited:.0f} s", style="dim")
        return line

    @property
    def _room(self) -> int:
        """Columns for a line, next to the columns before."""
        return max(_LEAST_ROOM, self._live.width - _BEFORE)


def _is_live(console: Console) -> bool:
    """Whether lines may be written over: some CI systems give steps a terminal."""
    # Not what rich takes for one: FORCE_COLOR makes it of a file, too.
    return console.file.isatty() and not os.environ.get("CI")
