"""The main job: a front end on pytest with the project's plugin."""

import argparse
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runner import __version__, reports, suitefile
from runner.artifacts import progress
from runner.cli import objects, workflow
from runner.cli.arguments import (
    add_libbpf_argument,
    add_matrix_arguments,
    add_terms_arguments,
    add_timings_argument,
    choice,
)
from runner.deadline import seconds
from runner.errors import ExitStatus, UsageError
from runner.reports.terms import Terms
from runner.results import RunResults, exit_status
from runner.selectors import DEFAULT
from runner.session import host, selection
from runner.session.host import ROOT
from runner.session.run import Run, Settings
from runner.sharding import Part
from runner.suitefile import SUITE_FILE, LoadedSuite

if TYPE_CHECKING:
    import pytest

    from runner.cli.progress import Live

# Settings that a user's own pytest.ini must not change.
_CONFIGURATION = Path(__file__).with_name("pytest.ini")
# Guests that one process can drive.
_MOST_LANES = 4


@dataclass(frozen=True, kw_only=True)
class AtOnce:
    """How many guests work at a time, and who drives them."""

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
        help="suites' folders, folders that hold suites, or Python test files "
        "(default: the suites of this project)",
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
        help="the objects of --object must load; nothing is attached (without this, an "
        "object of which nothing can be attached fails)",
    )
    parser.add_argument("-k", metavar="EXPR", help="only cases whose name matches")
    parser.add_argument("-x", action="store_true", help="stop at the first failure")
    parser.add_argument("--lf", action="store_true", help="only what failed last time")
    parser.add_argument(
        "-n",
        metavar="N|auto",
        default="auto",
        help="guests that work at a time (default: auto, as many as processors and "
        "memory allow)",
    )
    parser.add_argument(
        "--accel",
        choices=("auto", "kvm", "tcg"),
        default="auto",
        help="auto takes KVM when a guest was seen to run under it (default: auto)",
    )
    parser.add_argument(
        "--reports",
        type=Path,
        default=Path("reports/latest"),
        metavar="DIR",
        help="where reports are written (default: reports/latest)",
    )
    parser.add_argument(
        "--boot-timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long a kernel may take until it answers (default: 60)",
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="boot every guest, without snapshots; one guest serves a whole kernel",
    )
    parser.add_argument(
        "--shard",
        metavar="K/N",
        help="run only part K of N of the kernels, for N machines; `merge` puts the "
        "parts together",
    )
    add_libbpf_argument(parser)
    add_timings_argument(parser)
    add_terms_arguments(parser, gate="all")
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="print failures and the verdict only",
    )
    parser.add_argument(
        "--json", action="store_true", help="print results.json on standard output"
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the suites and return the exit status.

    Raises UsageError for what is wrong with the selection, the matrix or a suite.
    """
    paths = list(arguments.suite or [])
    if arguments.object:
        paths.append(
            objects.suite_of(
                arguments.object,
                arguments.reports / "objects",
                load_only=arguments.load_only,
            )
        )
    elif arguments.load_only:
        raise UsageError(
            "--load-only says how --object is judged, and there is no --object",
            hint="in a suite, say `attach: false` of the case",
        )
    paths = paths or [ROOT / "suites"]
    terms = Terms.read(
        baseline=arguments.baseline, gate=arguments.gate, release=arguments.release
    )
    run = Run(_settings(arguments))
    try:
        plan = at_once(arguments.n, len(run.kernels), paths)
        suites = check_suites(paths)
        if not run.kernels:
            return _without_kernels(arguments, run, paths, terms)
        run.obtain(progress.progress())
        run.check_names(suites)
        run.clear_reports()
        # While all that follows is imported.
        run.prepare(plan.lanes)
        words = pytest_arguments(arguments, plan, paths)
        return _run_pytest(arguments, run, words, terms)
    finally:
        run.close()


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        kernels=choice(arguments, DEFAULT),
        reports=arguments.reports.absolute(),
        accelerator=arguments.accel,
        boot_timeout=arguments.boot_timeout,
        cold=arguments.cold,
        part=_part(arguments),
        timings=arguments.timings,
        libbpf=arguments.libbpf,
    )


def _part(arguments: argparse.Namespace) -> Part | None:
    if arguments.shard is None:
        return None
    if arguments.lf:
        raise UsageError(
            "--lf with --shard: what failed last time is known to one machine only",
            hint="name the kernels and cases with --kernels and -k",
        )
    return Part.parse(arguments.shard)


def _run_pytest(
    arguments: argparse.Namespace, run: Run, words: list[str], terms: Terms
) -> int:
    # Here, because a guest starts meanwhile.
    import pytest
    from rich.console import Console

    from runner.cli.announce import announce
    from runner.cli.progress import Live
    from runner.plugin.state import Known
    from runner.reports import resultsfile, summary

    # JSON stays alone on its stream; a workflow reads commands from both.
    messages = sys.stderr if arguments.json else sys.stdout
    console = Console(file=messages, soft_wrap=True)
    with workflow.muted(messages):
        with Live(console, quiet=arguments.quiet, reports=run.settings.reports) as live:
            status = pytest.main(words, plugins=[live, Known(run, terms)])
        if live.report is not None:
            folder = arguments.reports
            summary.render(live.report, console, folder, quiet=arguments.quiet)
    if live.report is None:
        return _without_results(pytest.ExitCode(status), live, arguments)
    announce(live.report, messages)
    if arguments.json:
        sys.stdout.write(resultsfile.dump(live.report.results))
    if live.unwritten is not None:
        print(f"error: {live.unwritten}", file=sys.stderr)
    return ExitStatus.INTERRUPTED if live.interrupted else int(status)


def pytest_arguments(
    arguments: argparse.Namespace, plan: AtOnce, paths: list[Path]
) -> list[str]:
    """Return pytest's arguments."""
    chosen = choice(arguments, DEFAULT)
    words = [
        *("-c", str(_CONFIGURATION)),
        *("--rootdir", os.getcwd()),
        *("-p", "no:terminal"),
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
    if arguments.shard:
        words += ["--shard", arguments.shard]
    if arguments.timings:
        words += ["--timings", str(arguments.timings)]
    if arguments.libbpf:
        words += ["--libbpf", str(arguments.libbpf)]
    words += ["--cold"] if arguments.cold else []
    words += ["-x"] if arguments.x else []
    words += ["--lf"] if arguments.lf else []
    return words + [str(path) for path in paths]


def check_suites(paths: list[Path]) -> list[LoadedSuite]:
    """Load every suite once, so that a mistake is told before anything boots.

    Raises UsageError for the first mistake, for a path that holds no tests, and for two
    suites of one name.
    """
    found = []
    for path in paths:
        files = suitefile.files_below(path)
        found += [suitefile.load(file) for file in files]
        if not files and path.is_dir() and not any(path.rglob("test_*.py")):
            raise UsageError(
                f"--suite {path}: no {SUITE_FILE} and no test_*.py below it",
                hint="docs/suite.md tells what a suite is",
            )
    suitefile.require_distinct(found)
    return found


def at_once(wanted: str, kernels: int, paths: list[Path]) -> AtOnce:
    """Return how many guests work at a time.

    Python is at work for a tenth of a case's time, so that one process can drive some
    guests, and needs no time to start. Raises UsageError for what is neither a number
    from 1 on nor "auto".
    """
    if wanted != "auto" and (not wanted.isdecimal() or int(wanted) < 1):
        raise UsageError(f"-n {wanted}: a number from 1 on, or auto")
    count = host.most_guests() if wanted == "auto" else int(wanted)
    processes = min(count, kernels)
    if count <= _MOST_LANES and not _have_python_tests(paths):
        return AtOnce(lanes=count)
    return AtOnce(processes=processes) if processes > 1 else AtOnce(lanes=1)


def _have_python_tests(paths: list[Path]) -> bool:
    """Whether there are any; pytest runs them one after the other in a process."""
    return any(not path.is_dir() or any(path.rglob("test_*.py")) for path in paths)


def _without_kernels(
    arguments: argparse.Namespace, run: Run, paths: list[Path], terms: Terms
) -> ExitStatus:
    """Report of a part that no kernel fell to, so that it is not missed later."""
    results = RunResults(
        runner=__version__,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        duration=0.0,
        shard=run.shard,
        selection=selection.describe(
            run.settings.kernels, [str(path) for path in paths], arguments.k or ""
        ),
    )
    run.clear_reports()
    reports.write(terms.report(results), run.settings.reports)
    print(f"shard {run.shard}: there are fewer kernels than shards", file=sys.stderr)
    return exit_status(results)


def _without_results(
    status: "pytest.ExitCode", live: "Live", arguments: argparse.Namespace
) -> ExitStatus:
    """Say why no case ran."""
    if live.interrupted:
        print("interrupted before any case was done", file=sys.stderr)
        return ExitStatus.INTERRUPTED
    if status == status.NO_TESTS_COLLECTED:
        raise UsageError(
            f"no case matches -k {arguments.k!r}" if arguments.k else "no case to run"
        )
    if status == status.INTERNAL_ERROR:
        return ExitStatus.INFRASTRUCTURE
    return ExitStatus.USAGE
