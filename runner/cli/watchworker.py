"""A run that is ready before it is needed: its process, its kernel and a guest wait.

Each is for one order. So nothing of a run, and nothing that a test in Python did to its
process, is left for the next one.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from runner import __version__, reports
from runner.cli import run as run_
from runner.cli import suites as suites_
from runner.cli.called import as_called
from runner.cli.isolation import isolated
from runner.cli.output import print_note
from runner.cli.run import AtOnce
from runner.errors import ExitStatus, RunnerError
from runner.process import ending
from runner.reports.criteria import Criteria
from runner.results import RunResults, Selection
from runner.run import options
from runner.run.run import Run
from runner.run.settings import settings_of
from runner.suites import suitefile
from runner.text import progress
from runner.watching.touched import CaseName

# Seconds for a process to end its guest.
_GRACE = 10.0


@dataclass(frozen=True, kw_only=True)
class WatchOrder:
    """What to run."""

    # Files of suites and of Python tests.
    paths: tuple[Path, ...]
    # The cases in them that are meant.
    only: frozenset[CaseName]


@dataclass(frozen=True, kw_only=True)
class WatchVerdict:
    """What came of an order."""

    status: int
    # Outcomes by the cases' names, as reports have them.
    outcomes: Mapping[str, str] = field(default_factory=dict)
    # The cases of the order that need no other run.
    settled: frozenset[CaseName] = frozenset()


class WaitingRun:
    """A process with a run that waits for its order."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        """Start it; it writes its reports to a folder."""
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        # Ended with this process, however that ends.
        self._process: BaseProcess = context.Process(
            target=_serve, args=(other, arguments, folder), daemon=True
        )
        self._process.start()
        other.close()

    def wait_until_ready(self) -> None:
        """Wait until its guest waits, or until it failed: its order shows that."""
        self._connection.poll(None)

    def perform(self, order: WatchOrder) -> WatchVerdict:
        """Let it run, print what it finds, and end."""
        try:
            # What it says when it is ready.
            self._connection.recv()
            self._connection.send(order)
            found = self._connection.recv()
            assert isinstance(found, WatchVerdict)
            return found
        except (EOFError, OSError):
            # It has said why.
            self._process.join(_GRACE)
            status = self._process.exitcode
            return WatchVerdict(status=status or ExitStatus.INFRASTRUCTURE)

    def close(self) -> None:
        """End it, with its guest."""
        self._connection.close()
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _serve(connection: Connection, arguments: argparse.Namespace, folder: Path) -> None:
    """Make a run ready, and carry out an order. Ends the process."""
    ending.watch_signals()
    status: int = ExitStatus.INFRASTRUCTURE
    try:
        status = _run(connection, arguments, folder)
    except RunnerError as error:
        print(as_called(error.told), file=sys.stderr)
        status = error.exit_status
    except ending.Stopped as stopped:
        status = stopped.status
    except (EOFError, ConnectionError):
        # Nobody has an order any more.
        status = 0
    finally:
        ending.ignore_signals()
    sys.exit(status)


def _run(connection: Connection, arguments: argparse.Namespace, folder: Path) -> int:
    settings = settings_of(argparse.Namespace(**{**vars(arguments), "reports": folder}))
    run = Run(settings)
    ending.sweep_with(lambda: reports.sweep(folder))
    try:
        run.ledger.claim(print_note)
        # Before the guest writes there: the plan removes what was there.
        run.ledger.begin((), Selection())
        run.obtain(progress.progress())
        run.prepare(1)
        _warm_up(run, options.criteria_of(arguments))
        connection.send("ready")
        order = connection.recv()
        assert isinstance(order, WatchOrder)
        run.ledger.restart_clock()
        verdict = _carry_out(run, arguments, order)
        connection.send(verdict)
        return verdict.status
    finally:
        run.ledger.close()
        run.close()


def _warm_up(run: Run, criteria: Criteria) -> None:
    """Do once what takes long the first time: imports, and reports of nothing."""
    import pytest  # noqa: F401

    from runner.cli import eachfile, progress, pytesthooks  # noqa: F401
    from runner.preflight import objectuse  # noqa: F401
    from runner.reports import resultsfile, summary  # noqa: F401

    nothing = RunResults(
        runner=__version__,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        duration=0.0,
        kernels=tuple(run.kernel_run(it) for it in run.kernels),
    )
    reports.write(criteria.report(nothing), run.settings.reports)
    run.wait_for_spares()


def _carry_out(
    run: Run, arguments: argparse.Namespace, order: WatchOrder
) -> WatchVerdict:
    from runner.cli.touchedcases import TouchedCases

    suites = run_.check_suites(list(order.paths), run)
    suitefile.require_kernels(suites, run.types.why_not)
    run.check_names(suites)
    # Tests in Python may do to this process what they like: it ends with the order.
    plan = AtOnce(lanes=1)
    words = run_.pytest_arguments(arguments, plan, list(order.paths))
    python_tests = _have_python_tests(order.paths)
    only = TouchedCases(order.only)
    with isolated(workers=False, python_tests=python_tests) as saved:
        status = run_.run_pytest(
            arguments,
            run,
            list(order.paths),
            words,
            options.criteria_of(arguments),
            saved,
            [only],
        )
    return WatchVerdict(
        status=status, outcomes=only.outcomes, settled=frozenset(only.settled)
    )


def _have_python_tests(paths: Iterable[Path]) -> bool:
    return any(map(suites_.has_python_tests, paths))
