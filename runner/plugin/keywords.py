"""-k: cases are matched by the names that reports print."""

from collections.abc import Callable, Generator

import pytest
from _pytest.mark import KeywordMatcher
from _pytest.mark.expression import Expression

from runner.errors import UsageError
from runner.plugin.items import CaseItem


class Keywords:
    """A plugin that does what -k says, in place of pytest.

    pytest itself also matches the names of folders, files and markers, and knows no
    name with a suite in it.
    """

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Deselect, so that pytest, which comes next, has nothing left to do."""
        text = config.option.keyword
        if text.strip():
            _deselect(config, items, _parsed(text))
        config.option.keyword = ""
        try:
            return (yield)
        finally:
            # For the reports, which show it.
            config.option.keyword = text


def _deselect(
    config: pytest.Config, items: list[pytest.Item], wanted: Expression
) -> None:
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        (kept if wanted.evaluate(_matcher(item)) else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def _parsed(text: str) -> Expression:
    try:
        return Expression.compile(text)
    except SyntaxError as error:
        raise pytest.UsageError(f"-k {text!r}: {error.msg}") from error


def _matcher(item: pytest.Item) -> Callable[..., bool]:
    if isinstance(item, CaseItem):
        return matcher(item.loaded.name, item.on.name, item.kernel.id)
    return KeywordMatcher.from_item(item)


def selects(text: str, suite: str, case: str, kernel: str) -> bool:
    """Whether -k means a case on a kernel. Raises UsageError for what is no expression.

    For those who ask before pytest does.
    """
    try:
        return _parsed(text).evaluate(matcher(suite, case, kernel))
    except pytest.UsageError as error:
        raise UsageError(str(error)) from error


def matcher(suite: str, case: str, kernel: str) -> Callable[..., bool]:
    """Return what says whether a word of -k means a case on a kernel.

    A part of SUITE::CASE does, the kernel's whole id, and CASE[KERNEL] as pytest has
    it: 6.1 is not 6.12. TEST/SUBTEST means the test that has the subtest, which only
    shows while that runs.
    """
    name = f"{suite}::{case}".lower()
    whole = {kernel.lower(), f"{case}[{kernel}]".lower(), f"{name}[{kernel.lower()}]"}

    def means(word: str, /, **arguments: object) -> bool:
        if arguments:
            raise pytest.UsageError(f"-k: {word}() takes no arguments")
        parts = word.lower().split("/")
        outer = ("/".join(parts[:count]) for count in range(1, len(parts)))
        inside = any(it and name.endswith(it) for it in outer)
        return word.lower() in name or word.lower() in whole or inside

    return means
