"""`sweep`: suites over the versions of a kernel that its source offers."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

from runner import libbpf
from runner.bisect import candidates, sweepplan
from runner.bisect.candidates import OfferedKernel, Versions
from runner.bisect.sweepcases import CasePredictions, SweptCase
from runner.bisect.sweepplan import PlannedBoot, SweptVersion
from runner.cli import run, subject, sweepreport
from runner.cli.output import print_json
from runner.cli.sweepreport import Sweep
from runner.errors import ArtifactError, ExitStatus, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.matrix import matrix as matrix_
from runner.matrix.matrix import AT
from runner.plugin import keywords
from runner.reports import folder as reports
from runner.reports import resultsfile
from runner.reports.atomic import write_text
from runner.reports.place import require_writable
from runner.reports.support import Support, support_of
from runner.results import RunResults
from runner.run import options
from runner.suites import project
from runner.text import progress
from runner.text.progress import Progress
from runner.versions import KernelVersion

_REPORTS = Path("reports/sweep")
JSON, MARKDOWN = "sweep.json", "sweep.md"
# What a sweep decides itself.
_OWN = ("--kernels", "--kernel", "--locked", "--reports", "--reports-unique", "--json")
_WITHOUT = ("--shard", "--timings", "--lf", "--release")

EPILOG = """\
ROW is a row of the matrix with the source debian, ubuntu or rpm, or with kernel-org and
its key tree. VERSION is one that the source offers, or the upstream version to begin or
end with (6.1.100).

All versions are fetched, and all cases predicted on each. Booted are the oldest
version, the newest, and both sides of each difference between neighbours: a
relocation, a feature or an option of the configuration that the cases depend on.
The others show what their neighbours show, as far as these agree.

The reports folder has what a run writes (each booted version is a kernel), and
sweep.md and sweep.json.

exit status: as of a run. With --boot none: 0 all load, 1 some are predicted refused,
3 a version is unavailable

examples:
  python -m runner sweep 6.1 --since 6.1.170
  python -m runner sweep 6.1 --since 6.1.170-3 --until 6.1.187-1 --suite tests/bpf
  python -m runner sweep alma-9 --since 5.14.0-570.el9 --object build/probe.bpf.o
  python -m runner sweep 6.12 --since 6.12 --boot none
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `sweep` takes."""
    parser.add_argument("row", metavar="ROW", help="a row of the matrix")
    parser.add_argument(
        "--since", required=True, metavar="VERSION", help="the first version"
    )
    parser.add_argument(
        "--until",
        metavar="VERSION",
        help="the last version (default: what a run of ROW boots)",
    )
    parser.add_argument(
        "--boot",
        choices=("all", "needed", "none"),
        default="needed",
        help="boot all versions, those that may differ, or none (default: needed)",
    )
    others = (*_OWN, *_WITHOUT)
    flags = [it.flag for it in options.of("cli") if it.flag not in others]
    options.add_before_words(parser, *flags)
    options.set_defaults(parser, *others)
    parser.add_argument(
        "--reports",
        type=Path,
        default=_REPORTS,
        metavar="DIR",
        help=f"folder for the reports (default: {_REPORTS})",
    )
    parser.add_argument(
        "--json", action="store_true", help=f"print what {JSON} in the reports has"
    )


def main(arguments: argparse.Namespace) -> int:
    """Sweep, and print the table and the ranges.

    Raises UsageError for a wrong row, version or suite, and ArtifactError for a source
    that can't be asked.
    """
    require_writable(arguments.reports)
    reports.make(arguments.reports)
    cache, bars = Cache(), progress.progress()
    versions = _versions(arguments, cache, bars)
    cases = _cases(arguments, cache)
    engine = libbpf.programs(arguments.libbpf, cache, bars).engine
    predictions = CasePredictions(cases, cache, engine)
    artifacts = _fetched(versions, cache, bars)
    swept = [_swept(it, artifacts[it.id], predictions, bars) for it in versions]
    planned = sweepplan.boots(swept, arguments.boot)
    show = sys.stderr if arguments.json else sys.stdout
    with ExitStack() as stack:
        if arguments.json:
            stack.enter_context(redirect_stdout(show))
        _print_plan(versions, planned)
        status = _boot(arguments, list(planned)) if planned else ExitStatus.COMPATIBLE
    results = _results(arguments) if planned else None
    sweep = Sweep(
        row=arguments.row,
        versions=tuple(versions),
        swept=tuple(swept),
        artifacts=artifacts,
        foreseen={it.id: predictions.of(it.id) for it in versions},
        planned=planned,
        results=results,
        verdicts=sweepplan.verdicts(swept, _supports(results)),
    )
    result = sweepreport.as_json(sweep)
    write_text(arguments.reports / JSON, sweepreport.dump(result))
    write_text(arguments.reports / MARKDOWN, sweepreport.markdown(sweep))
    if arguments.json:
        print_json(result)
    else:
        sweepreport.show(sweep)
    return status if planned else sweep.predicted_status


# -------------------------------------------------------------------- what is asked


def _versions(
    arguments: argparse.Namespace, cache: Cache, bars: Progress
) -> list[OfferedKernel]:
    """Return the versions that are meant, the oldest first. Raises UsageError."""
    if AT in arguments.row:
        raise UsageError(
            f"{arguments.row}: sweep takes a row, not one version of it",
            hint="--since and --until name versions",
        )
    rows = Versions(matrix_.load(project.find(arguments.matrix).matrix), cache, bars)
    row = rows.row(arguments.row)
    if all(it.at("") is None for it in row.sources):
        raise UsageError(
            f"{row.id}: its source can't list versions: {row.sources[0].shown}",
            hint="debian, ubuntu, rpm, and kernel-org with the key tree can; for "
            "others: python -m runner --kernels ROW,ROW",
        )
    offered = rows.of_row(row)
    there = offered
    if arguments.until is None:
        current = rows.current(row)
        there = candidates.ordered(
            [*(it for it in offered if it.order <= current.order), current]
        )
    first = _place(arguments.since, "--since", there)
    until = arguments.until
    ends = len(there) if until is None else _place(until, "--until", there, after=True)
    if until is not None and first >= ends and _place(until, "--until", there) < first:
        raise UsageError(
            f"--since {arguments.since} is newer than --until {until}",
            hint=f"swap them: --since {until} --until {arguments.since}",
        )
    if first >= ends:
        known = f"{offered[0].version} to {offered[-1].version}"
        raise UsageError(
            f"{row.id} offers no version from {arguments.since} to "
            f"{until or f'{there[-1].version}, which a run of {row.id} boots'}",
            hint=f"it offers {len(offered)} versions, {known}",
        )
    return there[first:ends]


def _place(
    text: str, option: str, there: Sequence[OfferedKernel], *, after: bool = False
) -> int:
    """Return where a version stands, or would; behind all of it, if `after`."""
    for number, it in enumerate(there):
        if it.version == text:
            return number + after
    try:
        wanted = KernelVersion.parse(text)
    except ValueError as error:
        raise UsageError(
            f"{option} {text}: is not a version",
            hint=f"such as {there[0].version} or {there[-1].version}",
        ) from error
    length = len(wanted.parts)
    for number, it in enumerate(there):
        upstream = it.order[0][:length]
        if upstream > wanted.parts or (upstream == wanted.parts and not after):
            return number
    return len(there)


def _cases(arguments: argparse.Namespace, cache: Cache) -> list[SweptCase]:
    """Return the cases that are meant. Raises UsageError if there is none."""
    loaded = subject.suites(arguments)
    found = [
        SweptCase.of(place, case, cache)
        for place in loaded.suites
        for case in place.suite.cases
        if not arguments.k
        or keywords.selects(arguments.k, place.name, case.name, arguments.row)
    ]
    if not found and not loaded.has_python_tests:
        raise UsageError(
            f"no case matches -k {arguments.k!r}" if arguments.k else "no case to run"
        )
    return found


def _fetched(
    versions: Sequence[OfferedKernel], cache: Cache, bars: Progress
) -> dict[str, Artifact | ArtifactError]:
    found: dict[str, Artifact | ArtifactError] = {}
    for it in versions:
        try:
            found[it.id] = fetch.obtain(it.kernel, cache, bars)
        except ArtifactError as error:
            found[it.id] = error
            bars.message(f"{it.id}: {error.message}")
    return found


def _swept(
    version: OfferedKernel,
    artifact: Artifact | ArtifactError,
    predictions: CasePredictions,
    bars: Progress,
) -> SweptVersion:
    if isinstance(artifact, ArtifactError):
        return SweptVersion(
            id=version.id, version=version.version, unavailable=artifact.message
        )
    bars.message(f"{version.id}: predicting")
    return SweptVersion(
        id=version.id,
        version=version.version,
        release=artifact.release,
        shape=predictions.shape(version.id, artifact),
    )


# ------------------------------------------------------------------------ the boots


def _print_plan(
    versions: Sequence[OfferedKernel], planned: Mapping[str, PlannedBoot]
) -> None:
    print(f"{len(versions)} versions; {len(planned)} of them are booted")
    for id_, boot in planned.items():
        print(f"  {id_}: {boot.words}")


def _boot(arguments: argparse.Namespace, kernels: Sequence[str]) -> int:
    """Run the suites on some versions, as a run of the main job."""
    wanted = argparse.Namespace(**vars(arguments))
    wanted.kernels, wanted.json = [",".join(kernels)], False
    return run.carry_out(wanted, run.of_objects)


def _results(arguments: argparse.Namespace) -> RunResults:
    return resultsfile.read(arguments.reports / "results.json")


def _supports(results: RunResults | None) -> dict[str, Support]:
    if results is None:
        return {}
    undone = {key.kernel for key in results.undone}
    cases = results.by_kernel()
    return {
        it.id: support_of(it, cases.get(it.id, ()), whole=it.id not in undone)
        for it in results.kernels
    }
