"""`report`: the reports of a run that is over, and what a gate says of it."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from runner import reports
from runner.cli import github_output, merge
from runner.cli.called import EXPLAIN, as_called
from runner.cli.output import print_json, print_note
from runner.errors import ExitStatus, UsageError
from runner.reports import (
    agreement,
    flaky,
    formats,
    merging,
    otherkernels,
    resultsfile,
)
from runner.reports.atomic import explained
from runner.reports.claim import claimed
from runner.reports.criteria import Report
from runner.reports.formats import Format
from runner.reports.merging import FoundRun
from runner.reports.publication import FORMATS_OF_A_RELEASE
from runner.reports.support import ranges
from runner.results import CaseResult, Outcome
from runner.run import options

EPILOG = f"""\
RESULTS is a results.json, or the --reports folder of a run. Several are merged as the
parts of one run.

formats:
{chr(10).join(f"  {it.name:<9} {it.pattern:<14} {it.about}" for it in formats.FORMATS)}

In a GitHub workflow it also prints annotations and adds to the job's summary.

exit status: 0 if the reports are written; with --gate, the gate's verdict: 0 passed,
1 failed, 3 no verdict because of infrastructure. 2 for a file that is not a run.

examples:
  python -m runner report reports/latest
  python -m runner report reports/latest --baseline v1.1.json --gate regressions
  python -m runner report run.json --baseline v1.1.json --release v1.2 --out site
  python -m runner report reports/latest --release v1.2 --publish reports/v1.2
  python -m runner report reports/latest --format sarif --out scans
  python -m runner report shards/*/results.json --gate all --out reports/all
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `report` takes."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RESULTS")
    options.add(parser, *options.CRITERIA, gate="none; the exit status is 0")
    parser.add_argument(
        "--format",
        action="append",
        default=[],
        metavar="NAME,…",
        help="only these formats; may be given several times (default: all)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the reports (default: next to RESULTS)",
    )
    merge.add_allowances(parser)
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="DIR",
        help="write what a repository keeps of a release, and nothing else: "
        "release.md, release.html, release.json, matrix.svg, and results.json without "
        "the logs of passed cases and the paths of this machine; needs --release",
    )
    options.add(parser, "--quiet")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")


def main(arguments: argparse.Namespace) -> int:
    """Write, show and judge.

    Raises UsageError for what holds no run, and InfrastructureError when the reports
    can't be written.
    """
    chosen = _formats(arguments)
    parts = [_read(path) for path in arguments.runs]
    out = arguments.publish or _out(arguments.out, parts)
    criteria = options.criteria_of(arguments)
    report = criteria.report(
        otherkernels.told(agreement.judged(parts[0].results))
        if len(parts) == 1
        else merging.merge(
            parts,
            allow_missing=arguments.allow_missing,
            allow_mixed=arguments.allow_mixed,
        )
    )
    for note in flaky.notes(criteria.flaky, report.results):
        print_note(note)
    with _writing(out, published=arguments.publish is not None):
        reports.write(report, out, formats=chosen)
    # JSON stays alone on its stream; a workflow reads commands from both.
    messages = sys.stderr if arguments.json else sys.stdout
    with github_output.muted(messages):
        text = reports.summary_text(
            report,
            out,
            file=messages,
            quiet=arguments.quiet,
            explain=as_called(EXPLAIN),
        )
        print(text, file=messages)
        if report.release is not None:
            written = ", ".join(sorted(it.name for it in out.glob("release.*")))
            print(f"release report: {written} in {out}", file=messages)
    github_output.announce(report, messages)
    if arguments.json:
        print_json(judgement(report))
    return ExitStatus.COMPATIBLE if arguments.gate is None else report.status


def _formats(arguments: argparse.Namespace) -> Sequence[Format]:
    if arguments.publish is None:
        return formats.chosen(arguments.format)
    if arguments.format or arguments.out or not arguments.release:
        raise UsageError(
            "--publish goes with --release NAME, and without --format and --out",
            hint="`report RESULTS --release 1.2 --publish reports/1.2`",
        )
    return FORMATS_OF_A_RELEASE


@contextmanager
def _writing(folder: Path, *, published: bool) -> Iterator[None]:
    """Make a folder to write into; one of a run's reports is ignored by git."""
    if published:
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield
        return
    with claimed(folder, print_note):
        yield


def _read(given: Path) -> FoundRun:
    path = given / reports.RESULTS if given.is_dir() else given
    found = FoundRun(folder=path, results=resultsfile.read(path))
    # They become names of folders.
    merging.refuse_names(found)
    return found


def _out(wanted: Path | None, parts: Sequence[FoundRun]) -> Path:
    if wanted is not None:
        return wanted
    if len(parts) > 1:
        raise UsageError(
            f"{len(parts)} results, but no folder for their reports",
            hint="give a folder with --out",
        )
    return parts[0].folder.parent


def judgement(report: Report) -> dict[str, object]:
    """Return what `--json` prints: the verdict and the changes, in a few values."""
    results, changes = report.results, report.comparison
    return {
        "status": int(report.status),
        "gate": str(report.gate),
        "allow_vanished": changes is not None and changes.allow_vanished,
        "allow_new_failures": changes is not None and changes.allow_new_failures,
        "complete": results.complete,
        **{str(it): results.count(it) for it in Outcome},
        "compatible_range": ranges(results).statement,
        "comparison": None
        if changes is None
        else {
            "baseline": changes.baseline,
            "regressions": _named(changes.regressions),
            "fixes": _named(changes.fixes),
            "new": _named(changes.new),
            "new_failures": _named(changes.new_failures),
            "vanished": _named(changes.vanished),
            "new_gaps": _named(changes.new_gaps),
            "lost": _named(changes.lost),
            "not_run": list(changes.not_run),
            "slower": [asdict(it) for it in changes.slower],
            "grown": [asdict(it) for it in changes.grown],
        },
    }


def _named(cases: Sequence[CaseResult]) -> list[dict[str, str]]:
    return [{"kernel": it.kernel, "suite": it.suite, "case": it.case} for it in cases]
