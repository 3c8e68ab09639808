"""A pytest plugin that leaves only some cases, and keeps how they ended."""

from collections.abc import Collection

import pytest

from runner.plugin.items import CaseItem
from runner.plugin.recorder import more_results_of, result_of
from runner.watching.touched import CaseName


class TouchedCases:
    """Deselects all other cases and tests."""

    def __init__(self, only: Collection[CaseName]) -> None:
        self._only = only
        # By the names that reports have.
        self.outcomes: dict[str, str] = {}
        # What has an outcome, or needs none: -k leaves it out, or a file has no tests.
        self.settled: set[CaseName] = set()
        self._found: set[CaseName] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Take the others away."""
        self._found = {_name_of(it) for it in items}
        others = [it for it in items if _name_of(it) not in self._only]
        if others:
            items[:] = [it for it in items if _name_of(it) in self._only]
            config.hook.pytest_deselected(items=others)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Settle what is there and that nobody wants to run."""
        if session.testsfailed:
            # A file that could not be read may have had everything.
            return
        left = {_name_of(it) for it in session.items}
        self.settled |= {
            it
            for it in self._only
            if it not in left and (it in self._found or not it.case)
        }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep how a case ended."""
        found = result_of(report)
        for result in (*([found] if found else ()), *more_results_of(report)):
            name = f"{result.suite}::{result.case}"
            self.outcomes[name] = str(result.outcome)
            self.settled |= {it for it in self._only if it.covers(name)}


def _name_of(item: pytest.Item) -> CaseName:
    if isinstance(item, CaseItem):
        return CaseName(item.loaded.name, item.case.name)
    return CaseName(item.path.stem)
