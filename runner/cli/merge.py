"""`merge`: one run again of the parts that several machines did."""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner import reports
from runner.cli.output import print_note
from runner.errors import ExitStatus, UsageError
from runner.replay import keep
from runner.reports import junit, merging, resultsfile
from runner.reports.atomic import explained, write_text
from runner.reports.claim import claimed
from runner.reports.criteria import Report
from runner.reports.formats import FORMATS
from runner.reports.merging import FoundRun
from runner.run import options

EPILOG = """\
DIR is a --reports folder of a run with --shard, or a folder that contains such
folders. Writes what one run of all kernels would have written.

exit status: 0 if the parts could be merged, whatever they found; with --gate, the
gate's verdict, as for a run.

examples:
  python -m runner --shard 1/2 --reports shards/1     # on one machine
  python -m runner --shard 2/2 --reports shards/2     # on another
  python -m runner merge shards/1 shards/2 --out reports/latest
  python -m runner merge shards --out reports/latest --gate all
  python -m runner merge shards --out reports/latest --allow-missing
"""

# What a run leaves of each kernel.
_OF_KERNELS = (reports.JUNIT, reports.CONSOLE, reports.LOG)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `merge` takes."""
    parser.add_argument("parts", nargs="+", type=Path, metavar="DIR")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the merged reports",
    )
    options.add(parser, *options.CRITERIA, gate="none; the exit status is 0")
    add_allowances(parser)


def add_allowances(parser: argparse.ArgumentParser) -> None:
    """Add what lets parts be merged that are none of one whole run."""
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="merge what there is; the run then counts as stopped",
    )
    parser.add_argument(
        "--allow-mixed",
        action="store_true",
        help="merge runs of different matrices, suites or versions, or whole "
        "runs of different kernels",
    )


def main(arguments: argparse.Namespace) -> int:
    """Merge, write and show; with --gate, return what it says.

    Raises UsageError for parts that do not fit, and for a baseline that is none.
    """
    criteria = options.criteria_of(arguments)
    folders = [folder for given in arguments.parts for folder in _folders(given)]
    _refuse_overwriting(folders, arguments.out)
    parts = [
        FoundRun(folder=folder, results=resultsfile.read(folder / reports.RESULTS))
        for folder in folders
    ]
    results = merging.merge(
        parts,
        allow_missing=arguments.allow_missing,
        allow_mixed=arguments.allow_mixed,
    )
    report = criteria.report(results)
    with claimed(arguments.out, print_note):
        write(report, parts, arguments.out)
    print(reports.summary_text(report, arguments.out))
    return ExitStatus.COMPATIBLE if arguments.gate is None else report.status


def _folders(given: Path) -> Sequence[Path]:
    """Return the folders of runs that a word of the command line means."""
    if (given / reports.RESULTS).exists():
        return [given]
    found = sorted(path.parent for path in given.glob(f"*/{reports.RESULTS}"))
    if not found:
        raise UsageError(
            f"{given}: there is no {reports.RESULTS} in it, or in a folder in it",
            hint="a run writes one into its --reports folder, even if cases fail",
        )
    return found


def _refuse_overwriting(folders: Sequence[Path], out: Path) -> None:
    target = out.resolve()
    for folder in folders:
        if target in (folder.resolve(), folder.resolve().parent):
            raise UsageError(
                f"--out {out}: {folder} is one of the inputs and would be overwritten",
                hint="use another folder",
            )


def write(report: Report, parts: Sequence[FoundRun], out: Path) -> None:
    """Write the reports; results.json first, which replaces those of an earlier merge.

    Raises InfrastructureError when the folder can't be written.
    """
    results = report.results
    resultsfile.write(report.measured or results, out / reports.RESULTS)
    reports.clear(out)
    copied = set()
    for source, target in _copies(parts, out):
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        copied.add(target)
    bare = [it for it in results.kernels if out / it.id / reports.JUNIT not in copied]
    for kernel, text in junit.documents(results.model_copy(update={"kernels": bare})):
        write_text(out / kernel.id / reports.JUNIT, text)
    keep.merge([part.folder for part in parts], out)
    # results.json is there already.
    others = [it for it in FORMATS if it.name not in ("junit", "json")]
    reports.write(report, out, formats=others)


def _copies(parts: Sequence[FoundRun], out: Path) -> Iterator[tuple[Path, Path]]:
    for part in parts:
        for kernel in part.results.kernels:
            for name in _OF_KERNELS:
                source = part.folder / kernel.id / name
                if source.is_file():
                    yield source, out / kernel.id / name
