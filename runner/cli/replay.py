"""`replay`: runs here what failed there, from the artifact that CI kept of a run."""

import argparse
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from runner.cli import run
from runner.cli.called import as_called
from runner.errors import ExitStatus, UsageError
from runner.files.cache import Cache
from runner.matrix import overrides
from runner.replay import outcome, place
from runner.replay.artifact import ReportsArtifact, open_artifact
from runner.replay.bundle import Bundle
from runner.replay.outcome import BAD, Circumstance, ReplayChange, Replayed
from runner.replay.place import Placed
from runner.reports import RESULTS, resultsfile
from runner.reports.text import one_line
from runner.results import CaseKey, RunResults
from runner.run import options
from runner.run.retry import BETWEEN
from runner.text import progress as progress_

_REPORTS = Path("reports/replay")
# Characters of a value in a list.
_MOST = 200

EPILOG = """\
ARTIFACT is the --reports folder of a run, its results.json, or what CI keeps of it: a
.zip or .tar. Nothing else is needed: no checkout, no suite, no matrix. Without --all,
the cases run that failed there or were lost to infrastructure, each on the kernels
where that happened.

What an artifact holds may come from a stranger's pull request. Its objects and commands
run in guests only; nothing of it is compiled or executed on this machine.

Not replayed: tests in Python, cases with a `root`, and kernels from a file of the other
machine (give yours with --kernel ID=PATH).

exit status: 0 every case ended as it did there, 1 one of them did not, 2 usage, 3 a
kernel is unavailable, or a case has no result here

examples:
  python -m runner replay kernel-matrix.zip
  python -m runner replay reports/latest -k opens
  python -m runner replay kernel-matrix/ --all --allow-different
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `replay` takes."""
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT")
    parser.add_argument(
        "--all",
        action="store_true",
        help="also cases that passed there, as far as their files were kept",
    )
    parser.add_argument(
        "--case",
        "-k",
        action="append",
        default=[],
        metavar="TEXT",
        help="only cases whose SUITE::CASE contains this text, or of this kernel; may "
        "be given several times",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="show what would be run, and what can't be the same; boot nothing",
    )
    parser.add_argument(
        "--allow-different",
        action="store_true",
        help="if a kernel's package is unavailable, use what its source has now",
    )
    parser.add_argument(
        "--trust-sources",
        action="store_true",
        help="get kernels from addresses that the artifact names, and build those that "
        "its matrix builds from source",
    )
    options.add(parser, "--kernel", "--libbpf", "-n", "--accel", "--quiet")
    parser.add_argument(
        "--reports",
        type=Path,
        default=_REPORTS,
        metavar="DIR",
        help=f"folder for the reports (default: {_REPORTS})",
    )


def main(arguments: argparse.Namespace) -> int:
    """Run it again, and compare.

    Raises UsageError for what is not an artifact and for kernels that it must not get,
    ArtifactError for a kernel that is unavailable.
    """
    with open_artifact(arguments.artifact) as artifact:
        results, bundle = artifact.results(), artifact.bundle()
        keys, left = _selected(arguments, results, bundle)
        for name, why in left.items():
            print(f"not replayed: {name}: {why}", file=sys.stderr)
        if not keys:
            return _nothing(results, left)
        if arguments.list:
            _list(results, keys)
            return ExitStatus.COMPATIBLE
        with tempfile.TemporaryDirectory(prefix="bpf-kernel-matrix-replay-") as name:
            return _replay(arguments, artifact, results, bundle, keys, Path(name))


# --------------------------------------------------------------------- selection


def _selected(
    arguments: argparse.Namespace, results: RunResults, bundle: Bundle
) -> tuple[list[CaseKey], dict[str, str]]:
    """Return the cases to run, and those that can't be, with the reasons."""
    keys: list[CaseKey] = []
    left: dict[str, str] = {}
    failed = {(it.suite, it.case) for it in results.cases if it.outcome in BAD}
    for case in results.cases:
        suite = bundle.suite(case.suite)
        # Of kernels that are compared with each other, all must be there.
        is_compared = suite is not None and case.case in suite.together
        is_meant = is_compared and (case.suite, case.case) in failed
        if not (arguments.all or is_meant or case.outcome in BAD):
            continue
        name = f"{case.suite}::{case.case}"
        if not _matches(arguments.case, name, case.kernel):
            continue
        if suite is None:
            left[name] = "it is a test in Python, or its suite was not kept"
        elif (why := suite.missing.get(case.case.partition(BETWEEN)[0])) is not None:
            left[name] = why
        elif bundle.kernel(case.kernel) is None:
            left[name] = f"the artifact does not have the kernel {case.kernel}"
        else:
            keys.append(case.key)
    for test in results.failed_tests:
        left[test.nodeid] = "it is a test in Python, which would run on this machine"
    return keys, {one_line(name): one_line(why) for name, why in left.items()}


def _matches(words: Sequence[str], name: str, kernel: str) -> bool:
    return not words or any(it in name or it == kernel for it in words)


def _nothing(results: RunResults, left: Collection[str]) -> int:
    if left:
        raise UsageError(
            "nothing of what failed there can be replayed",
            hint="docs/replay.md says what an artifact keeps",
        )
    if any(case.outcome in BAD for case in results.cases):
        raise UsageError("no case matches -k")
    print("nothing failed there; --all replays what passed")
    return ExitStatus.COMPATIBLE


def _list(results: RunResults, keys: Collection[CaseKey]) -> None:
    for it in outcome.replayed(results, results, keys):
        print(f"{it.before.key}: {it.words}")


# -------------------------------------------------------------------------- run


def _replay(
    arguments: argparse.Namespace,
    artifact: ReportsArtifact,
    before: RunResults,
    bundle: Bundle,
    keys: Sequence[CaseKey],
    folder: Path,
) -> int:
    kernels = list(dict.fromkeys(it.kernel for it in keys))
    suites = list(dict.fromkeys(it.suite for it in keys))
    placed = place.place(artifact, bundle, folder, kernels=kernels, suites=suites)
    different = place.provide(
        placed,
        kernels,
        Cache(),
        progress_.progress(),
        overrides=overrides.ids(arguments.kernel),
        allow_different=arguments.allow_different,
        trust_sources=arguments.trust_sources,
    )
    status = run.main(_arguments(arguments, bundle, placed, kernels, keys))
    if status not in (ExitStatus.COMPATIBLE, ExitStatus.INCOMPATIBLE):
        print("the run here has no verdict on some cases", file=sys.stderr)
    after = resultsfile.read(arguments.reports / RESULTS)
    found = outcome.replayed(before, after, keys)
    print()
    for line in _told(
        found, [*outcome.circumstances(bundle, before, after, different, suites)]
    ):
        print(as_called(line))
    return _status(found)


def _arguments(
    arguments: argparse.Namespace,
    bundle: Bundle,
    placed: Placed,
    kernels: Sequence[str],
    keys: Sequence[CaseKey],
) -> argparse.Namespace:
    """Return the command line of the run, with what no command line can say."""
    settings = bundle.settings
    words = [
        *("--matrix", str(placed.matrix), "--locked"),
        *("--kernels", *kernels),
        *("--suite", *map(str, placed.suites.values())),
        *("--reports", str(arguments.reports)),
        *("--boot-timeout", str(settings.boot_timeout)),
        *("--accel", arguments.accel),
        *("-n", arguments.n),
        # What other cases did to a guest has no part in it.
        "--fresh",
    ]
    for given in arguments.kernel:
        words += ["--kernel", given]
    if settings.timeout_scale is not None:
        words += ["--timeout-scale", str(settings.timeout_scale)]
    words += ["--cold"] if settings.cold else []
    words += ["--quiet"] if arguments.quiet else []
    words += ["--libbpf", str(arguments.libbpf)] if arguments.libbpf else []
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    made = parser.parse_args(words)
    made.debug = arguments.debug
    made.only = frozenset(keys)
    made.precompiled = {
        f"{source}|{vmlinux or ''}|{build}": target
        for (source, vmlinux, build), target in placed.objects.items()
    }
    return made


# ---------------------------------------------------------------------- report


def _told(
    found: Sequence[Replayed], circumstances: Sequence[Circumstance]
) -> Iterator[str]:
    same = [it.what for it in circumstances if it.is_same]
    yield f"the same as there: {', '.join(same) or 'nothing'}"
    for it in circumstances:
        if not it.is_same:
            there, here = _short(it.there), _short(it.here)
            yield f"not the same: {it.what}: {there} there, {here} here"
    for case in found:
        yield f"{case.change}: {case.before.key}: {case.words}"
    counts = {it: sum(case.change is it for case in found) for it in ReplayChange}
    words = [f"{number} {it}" for it, number in counts.items() if number]
    number = f"{len(found)} case{'' if len(found) == 1 else 's'}"
    yield f"replayed {number}: {', '.join(words)}"


def _short(text: str) -> str:
    line = one_line(text) or "not known"
    return line if len(line) <= _MOST else f"{line[:_MOST]}…"


def _status(found: Sequence[Replayed]) -> ExitStatus:
    changes = {it.change for it in found}
    if ReplayChange.NONE in changes:
        return ExitStatus.INFRASTRUCTURE
    return (
        ExitStatus.COMPATIBLE
        if changes == {ReplayChange.SAME}
        else ExitStatus.INCOMPATIBLE
    )
