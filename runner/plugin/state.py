"""What the plugin keeps in pytest's configuration: options and the run."""

import os
from typing import Any

import pytest

from runner.reports.criteria import Criteria
from runner.reports.place import require_writable
from runner.run import options, recording
from runner.run.run import Run
from runner.run.settings import as_plain, of_plain, settings_of
from runner.text import progress

_RUN = pytest.StashKey[Run]()
_CRITERIA = pytest.StashKey[Criteria]()
# What a worker of pytest-xdist is told of the run, in its workerinput.
_SHARED = "kernel_matrix"


class KnownRun:
    """A plugin that brings a run which is known before pytest starts."""

    def __init__(self, run: Run, criteria: Criteria) -> None:
        self._run = run
        self._criteria = criteria

    def pytest_configure(self, config: pytest.Config) -> None:
        """Let everybody find it."""
        config.stash[_RUN] = self._run
        config.stash[_CRITERIA] = self._criteria
        # As if pytest's command line had named them.
        config.option.kernels = list(self._run.settings.kernels.selectors)


def add_options(parser: pytest.Parser) -> None:
    """Add this plugin's command line options."""
    options.add_to_pytest(parser.getgroup("kernel matrix"))


def asked_for_kernels(config: pytest.Config) -> bool:
    """Whether the command line names kernels, so that they are wanted at once."""
    return bool(config.option.kernels or config.option.kernel or _shared_with(config))


def run_of(config: pytest.Config) -> Run:
    """Return the run, made when it is first asked for.

    Raises UsageError for a wrong matrix or selection.
    """
    run = config.stash.get(_RUN, None)
    if run is None:
        shared = _shared_with(config)
        run = _shared_run(shared) if shared else _own_run(config)
        run.obtain(progress.progress())
        config.stash[_RUN] = run
    return run


def _own_run(config: pytest.Config) -> Run:
    settings = settings_of(config.option)
    recording.refuse_unreviewed(settings, os.environ)
    # The process that starts the workers has looked already.
    if not is_worker(config):
        require_writable(settings.reports)
    return Run(settings)


def _shared_run(shared: dict[str, Any]) -> Run:
    run = Run(of_plain(shared["settings"]))
    run.give_up(shared["failures"])
    # All workers must have the items in one order.
    run.durations = shared["durations"]
    return run


def share(run: Run, worker_input: dict[str, Any]) -> None:
    """Tell a worker of pytest-xdist what it needs to make the same run."""
    worker_input[_SHARED] = {
        "settings": as_plain(run.settings),
        "failures": run.failures(),
        "durations": run.durations,
    }


def _shared_with(config: pytest.Config) -> dict[str, Any]:
    shared: dict[str, Any] = getattr(config, "workerinput", {}).get(_SHARED, {})
    return shared


def criteria_of(config: pytest.Config) -> Criteria:
    """Return what the run is held against, read when it is first asked for.

    Raises UsageError for a baseline that holds no run.
    """
    criteria = config.stash.get(_CRITERIA, None)
    if criteria is None:
        criteria = options.criteria_of(config.option)
        config.stash[_CRITERIA] = criteria
    return criteria


def takes_part(config: pytest.Config) -> bool:
    """Whether this process runs items itself."""
    if config.option.collectonly:
        return False
    return is_worker(config) or not config.getoption("numprocesses", None)


def known_run(config: pytest.Config) -> Run | None:
    """Return the run if there is one."""
    return config.stash.get(_RUN, None)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of pytest-xdist's workers."""
    return hasattr(config, "workerinput")
