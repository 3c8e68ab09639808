"""What a user sees while a run goes on: a line a case, as it ends."""

import pytest
from rich.console import Console
from rich.text import Text

from runner.plugin import RECORDER
from runner.plugin.recorder import Recorder, result_of
from runner.results import Outcome, RunResults

_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.ERROR: "bold yellow",
    Outcome.SKIPPED: "dim",
}


class Live:
    """A pytest plugin that prints progress and keeps the run's results."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.results: RunResults | None = None
        self.interrupted = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Show what can't be collected: a Python test that does not import."""
        if report.failed:
            self._console.print(Text(f"error: {report.nodeid}: {report.longreprtext}"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print a case's line."""
        result = result_of(report)
        if result is not None:
            line = Text(f"{result.kernel:>8}  {result.suite}::{result.case}  ")
            line.append(str(result.outcome), style=_STYLES[result.outcome])
            line.append(f"  {result.duration:.2f} s", style="dim")
            self._console.print(line)
        elif report.failed:
            self._console.print(Text(f"{report.nodeid}\n{report.longreprtext}"))

    def pytest_keyboard_interrupt(
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> None:
        """Tell Ctrl-C from an end that pytest itself chose, such as by -x."""
        self.interrupted = self.interrupted or excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the results for the summary."""
        recorder = session.config.pluginmanager.getplugin(RECORDER)
        if isinstance(recorder, Recorder):
            self.results = recorder.results
