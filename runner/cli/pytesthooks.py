"""Hooks of `python -m runner` in the processes of pytest."""

import traceback
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import ConftestImportFailure

from runner.cli import isolation

_SAVED = "environment"


class KeptEnvironment:
    """A plugin of the process that starts workers of pytest-xdist."""

    def __init__(self, saved: Mapping[str, str]) -> None:
        self._saved = saved

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker which variables were kept from it."""
        node.workerinput[_SAVED] = dict(self._saved)


def pytest_configure(config: pytest.Config) -> None:
    """Give a worker the variables that were kept from it while it started."""
    saved = getattr(config, "workerinput", {}).get(_SAVED)
    if saved is not None:
        isolation.restore(saved)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    """Say in a sentence that a conftest.py can't be loaded.

    Raises pytest.UsageError, in place of pytest's traceback and of an exit that looks
    like success.
    """
    try:
        return (yield)
    except ConftestImportFailure as error:
        cause = error.cause
        told = f"{_place(error.path, cause)}: {type(cause).__name__}: {cause}"
    except SystemExit as error:
        told = f"a conftest.py ends the program: {error!r}"
    raise pytest.UsageError(
        f"{told}\n  it is loaded because --suite names Python tests below its folder"
    )


def _place(path: Path, error: BaseException) -> str:
    lines = [
        it.lineno
        for it in traceback.extract_tb(error.__traceback__)
        if it.filename == str(path)
    ]
    return f"{path}:{lines[-1]}" if lines else str(path)
