"""The main job: a front end on pytest with the project's plugin."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runner import reports
from runner.cli import github_output, isolation, objects
from runner.cli import suites as suites_
from runner.cli.called import EXPLAIN, as_called
from runner.cli.output import print_note
from runner.errors import ExitStatus, RunnerError, UsageError
from runner.guest import host
from runner.process import ending
from runner.replay import keep
from runner.reports.criteria import Criteria
from runner.reports.flaky import FlakyList
from runner.reports.place import require_writable
from runner.results import CaseKey, Outcome, RunResults, Selection
from runner.run import options, programs, recording, selection
from runner.run.retry import name_of
from runner.run.run import Run
from runner.run.settings import settings_of
from runner.suites import project, suitefile
from runner.suites.suitefile import LoadedSuite
from runner.text import console, progress

if TYPE_CHECKING:
    import pytest

    from runner.cli.progress import Live

# Guests that one process can drive.
_MOST_LANES = 4


@dataclass(frozen=True, kw_only=True)
class AtOnce:
    """How many guests work concurrently, and who drives them."""

    # Threads of this process; 0 when others do all.
    lanes: int = 0
    # Of pytest-xdist, each for a kernel; 0 for this one alone.
    processes: int = 0

    def at_most(self, guests: int) -> "AtOnce":
        """Return it with no more threads than there are guests to drive."""
        return replace(self, lanes=min(self.lanes, max(1, guests)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the main job takes."""
    options.add(parser, *(option.flag for option in options.of("cli")))


def main(arguments: argparse.Namespace) -> int:
    """Run the suites and return the exit status. Raises as `carry_out` does."""
    return carry_out(arguments, of_objects)


def _narrowed(arguments: argparse.Namespace) -> bool:
    """Whether only some cases are run. `only` is what `replay` selects."""
    return bool(arguments.k or arguments.lf or getattr(arguments, "only", None))


def of_objects(arguments: argparse.Namespace) -> list[Path]:
    """Write the suite of --object, and return it if there is one."""
    if not arguments.object:
        return []
    return [objects.of_arguments(arguments)]


def carry_out(
    arguments: argparse.Namespace, make: Callable[[argparse.Namespace], list[Path]]
) -> int:
    """Run the suites and what `make` makes, and return the exit status.

    Raises UsageError if something is wrong with the selection, the matrix or a suite.
    """
    _refuse_contradictions(arguments)
    require_writable(arguments.reports)
    if arguments.reports_unique:
        now = datetime.now(UTC)
        arguments.reports /= f"{now:%Y%m%dT%H%M%SZ}-{os.getpid()}"
    criteria = options.criteria_of(arguments)
    settings = settings_of(arguments)
    recording.refuse_unreviewed(settings, os.environ)
    run = Run(settings)
    ending.sweep_with(lambda: reports.sweep(run.settings.reports))
    try:
        given = [*arguments.suite, *make(arguments)]
        found = project.find(arguments.matrix)
        paths = suites_.paths(given, found, run.matrix)
        plan = at_once(arguments.n, len(run.kernels), paths)
        suites = check_suites(paths, run)
        if criteria.flaky is not None:
            python_tests = any(map(suites_.has_python_tests, paths))
            _check_flaky(criteria.flaky, run, None if python_tests else suites, given)
        # Before kernels are fetched, which takes long.
        suitefile.require_kernels(suites, run.types.why_not)
        run.ledger.claim(print_note)
        if not run.kernels:
            return _without_kernels(arguments, run, paths, criteria)
        run.obtain(progress.progress(), boots=plan.lanes or plan.processes)
        run.check_names(suites)
        plan = plan.at_most(_guests(run, suites))
        python_tests = any(map(suites_.has_python_tests, paths))
        if not (_narrowed(arguments) or python_tests):
            # Nothing is left for pytest to select: the first guests start while it is
            # imported.
            run.ledger.begin(_planned(run, suites), _selection(arguments, run, paths))
            run.prepare(plan.lanes)
        words = pytest_arguments(arguments, plan, paths)
        with isolation.isolated(
            workers=plan.processes > 0, python_tests=python_tests
        ) as saved:
            status = run_pytest(arguments, run, paths, words, criteria, saved)
        _keep(run, suites)
        return status
    except KeyboardInterrupt:
        if run.ledger.has_plan:
            # Before pytest could see to it, or while it did.
            reports.write(criteria.report(run.ledger.finish()), run.settings.reports)
        raise
    finally:
        with ExitStack() as stack:
            # Whatever keeps the guests from ending well: others may write reports.
            stack.callback(run.ledger.close)
            stack.callback(run.close)


def _keep(run: Run, suites: Sequence[LoadedSuite]) -> None:
    """Keep next to the reports what `replay` needs; say why where that fails."""
    if run.settings.precompiled is not None or not run.ledger.has_plan:
        return
    try:
        keep.write(run, suites, run.ledger.finish())
    except (RunnerError, OSError) as error:
        print_note(f"nothing is kept for a replay: {error}")


def _guests(run: Run, suites: Iterable[LoadedSuite]) -> int:
    """Return how many guests could be of use at once.

    The cases of an object may be spread over guests. The tests of a program are not.
    """
    found = 0
    for suite in suites:
        for case in suite.suite.cases:
            is_apart = not case.command or case.isolate
            found += len(programs.names_of(run, suite, case)) if is_apart else 1
    return found * len(run.kernels)


def _check_flaky(
    flaky: FlakyList,
    run: Run,
    suites: Sequence[LoadedSuite] | None,
    given: Sequence[Path],
) -> None:
    """Refuse entries that can match nothing, and tell of those of other suites.

    `suites` are None if pytest has to find the tests first. Raises UsageError.
    """
    flaky.require_kernels([it.id for it in (*run.matrix.kernels, *run.kernels)])
    if suites is None:
        return
    planned = _planned(run, suites)
    if not planned:
        # A part of a run that has no kernel.
        return
    flaky.require_known(planned, all_suites=not given)
    for note in flaky.without_case(planned):
        print_note(note)


def _planned(run: Run, suites: Iterable[LoadedSuite]) -> list[CaseKey]:
    """Return every case on every kernel."""
    return [
        CaseKey(kernel.id, suite.name, name_of(case, test))
        for suite in suites
        for case in suite.suite.cases
        for kernel in run.kernels
        for test in programs.names_of(run, suite, case)
    ]


def _selection(arguments: argparse.Namespace, run: Run, paths: list[Path]) -> Selection:
    return selection.describe(
        run.settings.kernels,
        [str(path) for path in paths],
        arguments.k or "",
        all_kernels=run.has_all_kernels,
    )


def _refuse_contradictions(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options that make no sense, alone or together."""
    # A variable that is not set makes one of `-k "$CASES"`.
    if arguments.k is not None and not arguments.k.strip():
        raise UsageError(
            "-k: the expression is empty",
            hint="give a part of a case's name, or leave -k out to run all cases",
        )
    if arguments.load_only and not arguments.object:
        raise UsageError(
            "--load-only only works with --object",
            hint="in a suite, set `attach: false` for the case",
        )
    if arguments.loader and not arguments.object:
        raise UsageError(
            "--loader only works with --object",
            hint="in a suite, set `loader:` of the case",
        )
    if arguments.variants and not arguments.object:
        raise UsageError(
            "--variants only works with --object",
            hint="in a suite, set `variants:` of the suite or the case",
        )
    if arguments.lf and arguments.shard is not None:
        raise UsageError(
            "--lf does not work with --shard: only one machine knows what failed "
            "last time",
            hint="select the kernels and cases with --kernels and -k",
        )


def run_pytest(
    arguments: argparse.Namespace,
    run: Run,
    paths: list[Path],
    words: list[str],
    criteria: Criteria,
    saved: Mapping[str, str],
    more: Sequence[object] = (),
) -> int:
    """Run pytest with these words, print what came of it, and return the exit status.

    `paths` are what must have tests; `saved` is what workers give back to tests; `more`
    are plugins.
    """
    # Here, because a guest starts meanwhile.
    import pytest

    from runner.cli.eachfile import EachFile
    from runner.cli.onlycases import OnlyCases
    from runner.cli.progress import Live
    from runner.cli.pytesthooks import KeptEnvironment
    from runner.plugin.state import KnownRun
    from runner.reports import resultsfile, summary

    # JSON stays alone on its stream; a workflow reads commands from both.
    messages = sys.stderr if arguments.json else sys.stdout
    to = console.make(messages)
    with github_output.muted(messages):
        with Live(to, quiet=arguments.quiet, debug=arguments.debug) as live:
            plugins: list[object] = [
                live,
                KnownRun(run, criteria),
                KeptEnvironment(saved),
            ]
            plugins += more
            if not (_narrowed(arguments) or more):
                plugins.append(EachFile(paths))
            if getattr(arguments, "only", None):
                plugins.append(OnlyCases(arguments.only))
            status = pytest.main(words, plugins=plugins)
        if live.report is not None:
            written = None if live.unwritten else arguments.reports
            summary.render(
                live.report,
                to,
                written,
                quiet=arguments.quiet,
                loaded=getattr(arguments, "loaded", False),
                explain=as_called(EXPLAIN),
            )
        for update in live.updates:
            for line in update.lines():
                # Lines of a diff are not broken.
                to.print(line, markup=False, highlight=False, soft_wrap=True)
    for fault in live.faults:
        print(f"error: {fault}", file=sys.stderr)
    if live.stopped is not None:
        print(live.stopped, file=sys.stderr)
    if live.report is None or live.status is None:
        return _without_results(pytest.ExitCode(status), live, arguments)
    github_output.announce(live.report, messages)
    if arguments.json:
        sys.stdout.write(resultsfile.dump(live.report.results))
    if _is_part_of_gaps(live.report.results):
        # Only the merged parts have a verdict.
        return ExitStatus.COMPATIBLE
    return live.exit_status


def _is_part_of_gaps(results: RunResults) -> bool:
    """Whether this is a whole part of a run, and there is nothing for it to check."""
    return (
        results.shard is not None
        and results.complete
        and not results.failed_tests
        and not any(kernel.error for kernel in results.kernels)
        and all(case.outcome is Outcome.SKIPPED for case in results.cases)
    )


def pytest_arguments(
    arguments: argparse.Namespace, plan: AtOnce, paths: list[Path]
) -> list[str]:
    """Return pytest's arguments; it gets the run's settings with the run itself."""
    words = isolation.arguments(
        Path.cwd(), paths, python_tests=any(map(suites_.has_python_tests, paths))
    )
    if plan.processes:
        words += ["-n", str(plan.processes), "--dist", "loadgroup"]
    else:
        words += ["--lanes", str(plan.lanes)]
    # Else pytest would keep what programs print while their case runs.
    words += ["--capture=no"] if getattr(arguments, "streams", False) else []
    words += ["-k", arguments.k] if arguments.k else []
    words += ["-x"] if arguments.x else []
    words += ["--lf"] if arguments.lf else []
    return words + [str(path) for path in paths]


def check_suites(paths: list[Path], run: Run) -> list[LoadedSuite]:
    """Load every suite once, so that a mistake is reported before anything boots.

    Raises UsageError for the first mistake, and for two suites of one name.
    """
    found = [
        run.load_suite(file) for path in paths for file in suitefile.files_below(path)
    ]
    suitefile.require_distinct(found)
    return found


def at_once(wanted: str, kernels: int, paths: list[Path]) -> AtOnce:
    """Return how many guests work concurrently.

    Python is at work for a tenth of a case's time, so that one process can drive some
    guests, and needs no time to start. Python tests run one after the other in a
    process. Raises as options.number_of does.
    """
    count = options.number_of(wanted, host.most_guests)
    processes = min(count, kernels)
    if any(map(suites_.has_python_tests, paths)):
        # Whatever a test does to its process, this one reports it.
        return AtOnce(processes=max(1, processes))
    if count <= _MOST_LANES:
        return AtOnce(lanes=count)
    return AtOnce(processes=processes) if processes > 1 else AtOnce(lanes=1)


def _without_kernels(
    arguments: argparse.Namespace, run: Run, paths: list[Path], criteria: Criteria
) -> ExitStatus:
    """Report of a part that no kernel fell to, so that it is not missed later."""
    run.ledger.begin((), _selection(arguments, run, paths))
    results = run.ledger.finish()
    reports.write(criteria.report(results), run.settings.reports)
    print(f"shard {run.shard}: there are fewer kernels than shards", file=sys.stderr)
    # Only the merged parts have a verdict.
    return ExitStatus.COMPATIBLE


def _without_results(
    status: "pytest.ExitCode", live: "Live", arguments: argparse.Namespace
) -> int:
    """Say why no case ran."""
    if live.stopped is not None:
        return live.exit_status
    if status == status.NO_TESTS_COLLECTED:
        raise UsageError(
            f"no case matches -k {arguments.k!r}" if arguments.k else "no case to run"
        )
    if status == status.INTERNAL_ERROR:
        return ExitStatus.INFRASTRUCTURE
    return ExitStatus.USAGE
