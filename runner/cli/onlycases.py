"""Runs the cases of a list, and no others."""

from collections.abc import Collection

import pytest

from runner.plugin.items import CaseItem
from runner.results import CaseKey
from runner.run.retry import BETWEEN


class OnlyCases:
    """A plugin that deselects all other cases."""

    def __init__(self, keys: Collection[CaseKey]) -> None:
        self._keys = frozenset(keys)
        # A test that a program names when it runs belongs to the program's case.
        self._cases = {
            (it.kernel, it.suite, it.case.partition(BETWEEN)[0]) for it in self._keys
        }

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the items that are meant."""
        chosen = [it for it in items if self._is_meant(it)]
        left = [it for it in items if not self._is_meant(it)]
        if left:
            config.hook.pytest_deselected(items=left)
        items[:] = chosen

    def _is_meant(self, item: pytest.Item) -> bool:
        if not isinstance(item, CaseItem):
            return False
        if item.on.test:
            key = CaseKey(item.kernel.id, item.loaded.name, item.on.name)
            return key in self._keys
        return (item.kernel.id, item.loaded.name, item.case.name) in self._cases
