"""Failures of known flaky cases do not stop a run that stops at the first failure."""

import pytest

from runner.plugin import state
from runner.plugin.recorder import kernel_run_of, result_of


class KnownFlakyFailures:
    """A plugin of each process that counts failures."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session: pytest.Session | None = None

    @pytest.hookimpl
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep what counts them."""
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take back beforehand what is counted after this, for --maxfail."""
        if not report.failed or self._session is None:
            return
        found = result_of(report)
        flaky = state.criteria_of(self._config).flaky
        if found is None or flaky is None:
            return
        if not flaky.excuses(found, kernel_run_of(report)):
            return
        self._session.testsfailed -= 1
        # pytest-xdist counts for itself.
        parallel = self._config.pluginmanager.get_plugin("dsession")
        if parallel is not None:
            parallel.countfailures -= 1
