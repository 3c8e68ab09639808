"""The main job: a front end on pytest with the project's plugin."""

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runner import ending, project, reports, suitefile, timeouts
from runner.artifacts import progress
from runner.cli import isolation, objects, workflow
from runner.cli import suites as suites_
from runner.cli.arguments import (
    add_libbpf_argument,
    add_matrix_arguments,
    add_terms_arguments,
    add_timeout_arguments,
    add_timings_argument,
    choice,
    terms_of,
)
from runner.errors import ExitStatus, UsageError
from runner.reports.place import require_writable
from runner.reports.terms import Terms
from runner.results import CaseKey, Outcome, RunResults, Selection
from runner.selectors import DEFAULT
from runner.session import host, selection
from runner.session.run import Run, Settings
from runner.sharding import Part
from runner.suitefile import LoadedSuite

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the main job takes."""
    add_matrix_arguments(parser)
    parser.add_argument(
        "--suite",
        action="extend",
        nargs="+",
        type=Path,
        metavar="PATH",
        help=project.SUITES_HELP,
    )
    parser.add_argument(
        "--object",
        action="extend",
        nargs="+",
        default=[],
        type=Path,
        metavar="FILE",
        help="compiled objects that must load and attach, without a suite",
    )
    parser.add_argument(
        "--load-only",
        action="store_true",
        help="the objects of --object must load; nothing is attached (without it, an "
        "object that has nothing to attach fails)",
    )
    parser.add_argument(
        "-k",
        metavar="EXPR",
        help="only cases that match: a part of SUITE::CASE as reports print it, or a "
        "kernel's id; with and, or, not and parentheses",
    )
    parser.add_argument("-x", action="store_true", help="stop at the first failure")
    parser.add_argument(
        "--lf", action="store_true", help="only cases that failed last time"
    )
    parser.add_argument(
        "-n",
        metavar="N|auto",
        default="auto",
        help="number of guests to run in parallel (default: auto, limited by CPUs "
        "and memory)",
    )
    parser.add_argument(
        "--accel",
        choices=("auto", "kvm", "tcg"),
        default="auto",
        help="auto uses KVM if a test guest runs under it (default: auto)",
    )
    parser.add_argument(
        "--reports",
        type=Path,
        default=Path("reports/latest"),
        metavar="DIR",
        help="folder for the reports (default: reports/latest)",
    )
    parser.add_argument(
        "--reports-unique",
        action="store_true",
        help="write into a new folder below DIR, named after the time and this "
        "process, so that several runs can work concurrently",
    )
    add_timeout_arguments(parser)
    parser.add_argument(
        "--cold",
        action="store_true",
        help="boot every guest, without snapshots; one guest serves a whole kernel",
    )
    parser.add_argument(
        "--shard",
        metavar="K/N",
        help="run only part K of N of the kernels, for N machines; `merge` merges "
        "the parts",
    )
    add_libbpf_argument(parser)
    add_timings_argument(parser)
    add_terms_arguments(parser, gate="all")
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="print only failures and the verdict",
    )
    parser.add_argument(
        "--json", action="store_true", help="print results.json to standard output"
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the suites and return the exit status.

    Raises UsageError if something is wrong with the selection, the matrix or a suite.
    """
    _require_expression(arguments.k)
    if arguments.load_only and not arguments.object:
        raise UsageError(
            "--load-only only works with --object",
            hint="in a suite, set `attach: false` for the case",
        )
    require_writable(arguments.reports)
    terms = terms_of(arguments)
    run = Run(_settings(arguments))
    ending.sweep_with(lambda: reports.sweep(run.settings.reports))
    try:
        given = list(arguments.suite or [])
        if arguments.object:
            folder = arguments.reports / "objects"
            given.append(
                objects.suite_of(
                    arguments.object, folder, load_only=arguments.load_only
                )
            )
        found = project.find(arguments.matrix)
        paths = suites_.paths(given, found, run.matrix)
        plan = at_once(arguments.n, len(run.kernels), paths)
        suites = check_suites(paths, run)
        # Before kernels are fetched, which takes long.
        suitefile.require_kernels(suites, run.matrix)
        run.ledger.claim(lambda note: print(f"note: {note}", file=sys.stderr))
        if not run.kernels:
            return _without_kernels(arguments, run, paths, terms)
        run.obtain(progress.progress())
        run.check_names(suites)
        python_tests = any(map(suites_.has_python_tests, paths))
        if not (arguments.k or arguments.lf or python_tests):
            # Nothing is left for pytest to select: the first guests start while it is
            # imported.
            run.ledger.begin(_planned(run, suites), _selection(arguments, run, paths))
            run.prepare(plan.lanes)
        words = pytest_arguments(arguments, plan, paths)
        with isolation.isolated(
            workers=plan.processes > 0, python_tests=python_tests
        ) as saved:
            return _run_pytest(arguments, run, paths, words, terms, saved)
    except KeyboardInterrupt:
        if run.ledger.has_plan:
            # Before pytest could see to it, or while it did.
            reports.write(terms.report(run.ledger.finish()), run.settings.reports)
        raise
    finally:
        run.close()


def _planned(run: Run, suites: Iterable[LoadedSuite]) -> list[CaseKey]:
    """Return every case on every kernel."""
    return [
        CaseKey(kernel.id, suite.name, case.name)
        for suite in suites
        for case in suite.suite.cases
        for kernel in run.kernels
    ]


def _selection(arguments: argparse.Namespace, run: Run, paths: list[Path]) -> Selection:
    return selection.describe(
        run.settings.kernels, [str(path) for path in paths], arguments.k or ""
    )


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        kernels=choice(arguments, DEFAULT),
        reports=_reports(arguments).absolute(),
        accelerator=arguments.accel,
        boot_timeout=arguments.boot_timeout,
        timeout_scale=arguments.timeout_scale,
        cold=arguments.cold,
        part=_part(arguments),
        timings=arguments.timings,
        libbpf=arguments.libbpf,
        objects=tuple(arguments.object),
    )


def _reports(arguments: argparse.Namespace) -> Path:
    """Return the folder of reports; from the second call on, the same one."""
    if arguments.reports_unique:
        now = datetime.now(UTC)
        arguments.reports /= f"{now:%Y%m%dT%H%M%SZ}-{os.getpid()}"
        arguments.reports_unique = False
    folder: Path = arguments.reports
    return folder


def _require_expression(expression: str | None) -> None:
    """Refuse an empty -k, which a variable that is not set makes of `-k "$CASES"`."""
    if expression is not None and not expression.strip():
        raise UsageError(
            "-k: the expression is empty",
            hint="give a part of a case's name, or leave -k out to run all cases",
        )


def _part(arguments: argparse.Namespace) -> Part | None:
    if arguments.shard is None:
        return None
    if arguments.lf:
        raise UsageError(
            "--lf does not work with --shard: only one machine knows what failed "
            "last time",
            hint="select the kernels and cases with --kernels and -k",
        )
    return Part.parse(arguments.shard)


def _run_pytest(
    arguments: argparse.Namespace,
    run: Run,
    paths: list[Path],
    words: list[str],
    terms: Terms,
    saved: Mapping[str, str],
) -> int:
    # Here, because a guest starts meanwhile.
    import pytest
    from rich.console import Console

    from runner.cli.announce import announce
    from runner.cli.eachfile import EachFile
    from runner.cli.progress import Live
    from runner.cli.pytesthooks import Workers
    from runner.plugin.state import Known
    from runner.reports import resultsfile, summary

    # JSON stays alone on its stream; a workflow reads commands from both.
    messages = sys.stderr if arguments.json else sys.stdout
    console = Console(file=messages, soft_wrap=True)
    folder = run.settings.reports
    with workflow.muted(messages):
        with Live(
            console, quiet=arguments.quiet, reports=folder, debug=arguments.debug
        ) as live:
            plugins: list[object] = [live, Known(run, terms), Workers(saved)]
            if not (arguments.k or arguments.lf):
                plugins.append(EachFile(paths))
            status = pytest.main(words, plugins=plugins)
        if live.report is not None:
            written = None if live.unwritten else arguments.reports
            summary.render(live.report, console, written, quiet=arguments.quiet)
    for fault in live.faults:
        print(f"error: {fault}", file=sys.stderr)
    if live.stopped is not None:
        print(live.stopped, file=sys.stderr)
    if live.report is None or live.status is None:
        return _without_results(pytest.ExitCode(status), live, arguments)
    announce(live.report, messages)
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
    """Return pytest's arguments."""
    chosen = choice(arguments, DEFAULT)
    words = [
        *isolation.arguments(
            Path.cwd(),
            paths,
            python_tests=any(map(suites_.has_python_tests, paths)),
        ),
        *("--matrix", str(chosen.matrix)),
        # In one word: pytest takes a word that begins with @ for a file of arguments.
        *(f"--kernels={it}" for it in chosen.selectors),
        *(f"--kernel={it}" for it in chosen.overrides),
        *(["--locked"] if chosen.locked else []),
        *("--accel", arguments.accel),
        *("--reports", str(arguments.reports)),
        *("--boot-timeout", str(arguments.boot_timeout)),
    ]
    if plan.processes:
        words += ["-n", str(plan.processes), "--dist", "loadgroup"]
    else:
        words += ["--lanes", str(plan.lanes)]
    if arguments.k:
        words += ["-k", arguments.k]
    if arguments.timeout_scale is not None:
        words += [timeouts.SCALE_OPTION, str(arguments.timeout_scale)]
    if arguments.shard:
        words += ["--shard", arguments.shard]
    if arguments.timings:
        words += ["--timings", str(arguments.timings)]
    if arguments.libbpf:
        words += ["--libbpf", str(arguments.libbpf)]
    words += [f"--named-object={it}" for it in arguments.object]
    words += ["--cold"] if arguments.cold else []
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
    process. Raises UsageError for what is neither a number
    from 1 on nor "auto".
    """
    if wanted != "auto" and (not wanted.isdecimal() or int(wanted) < 1):
        raise UsageError(f'-n {wanted}: must be a positive number or "auto"')
    count = host.most_guests() if wanted == "auto" else int(wanted)
    processes = min(count, kernels)
    if any(map(suites_.has_python_tests, paths)):
        # Whatever a test does to its process, this one reports it.
        return AtOnce(processes=max(1, processes))
    if count <= _MOST_LANES:
        return AtOnce(lanes=count)
    return AtOnce(processes=processes) if processes > 1 else AtOnce(lanes=1)


def _without_kernels(
    arguments: argparse.Namespace, run: Run, paths: list[Path], terms: Terms
) -> ExitStatus:
    """Report of a part that no kernel fell to, so that it is not missed later."""
    run.ledger.begin((), _selection(arguments, run, paths))
    results = run.ledger.finish()
    reports.write(terms.report(results), run.settings.reports)
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
