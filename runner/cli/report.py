"""`report`: the reports of a run that is over, and what a gate says of it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from runner import reports
from runner.cli import announce, merge, workflow
from runner.cli.arguments import add_terms_arguments, terms_of
from runner.errors import ExitStatus, UsageError
from runner.reports import formats, merging, resultsfile
from runner.reports.claim import claimed
from runner.reports.criteria import Report
from runner.reports.merging import Part
from runner.reports.support import ranges
from runner.results import CaseResult, Outcome

EPILOG = f"""\
RESULTS is a results.json, or the --reports folder of a run. Several are the parts of
one run, and are merged.

formats:
{chr(10).join(f"  {it.name:<9} {it.pattern:<14} {it.about}" for it in formats.FORMATS)}

In a GitHub workflow it also prints annotations and adds to the job's summary.

exit status: 0 when the reports are written; with --gate, what the gate says: 0 passed,
1 failed, 3 no verdict because of infrastructure. 2 for a file that holds no run.

examples:
  python -m runner report reports/latest
  python -m runner report reports/latest --baseline v1.1.json --gate regressions
  python -m runner report run.json --baseline v1.1.json --release v1.2 --out site
  python -m runner report reports/latest --format sarif --out scans
  python -m runner report shards/*/results.json --gate all --out reports/all
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `report` takes."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RESULTS")
    add_terms_arguments(parser, gate="none; the exit status is 0")
    parser.add_argument(
        "--format",
        action="append",
        default=[],
        metavar="NAME,…",
        help="only these formats; may be given again (default: all)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where they are written (default: beside RESULTS)",
    )
    merge.add_allowances(parser)
    parser.add_argument(
        "--quiet", action="store_true", help="print failures and the verdict only"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the judgement as JSON"
    )


def main(arguments: argparse.Namespace) -> int:
    """Write, show and judge.

    Raises UsageError for what holds no run, and InfrastructureError when the reports
    can't be written.
    """
    chosen = formats.chosen(arguments.format)
    parts = [_read(path) for path in arguments.runs]
    out = _out(arguments.out, parts)
    terms = terms_of(arguments)
    report = terms.report(
        parts[0].results
        if len(parts) == 1
        else merging.merge(
            parts,
            allow_missing=arguments.allow_missing,
            allow_mixed=arguments.allow_mixed,
        )
    )
    with claimed(out, lambda note: print(f"note: {note}", file=sys.stderr)):
        reports.write(report, out, formats=chosen)
    # JSON stays alone on its stream; a workflow reads commands from both.
    messages = sys.stderr if arguments.json else sys.stdout
    with workflow.muted(messages):
        text = reports.summary_text(report, out, file=messages, quiet=arguments.quiet)
        print(text, file=messages)
    announce.announce(report, messages)
    if arguments.json:
        print(json.dumps(judgement(report), indent=1))
    return ExitStatus.COMPATIBLE if arguments.gate is None else report.status


def _read(given: Path) -> Part:
    path = given / reports.RESULTS if given.is_dir() else given
    results = resultsfile.read(path)
    # They become names of folders.
    merging.refuse_names(Part(folder=path, results=results))
    return Part(folder=path, results=results)


def _out(wanted: Path | None, parts: Sequence[Part]) -> Path:
    if wanted is not None:
        return wanted
    if len(parts) > 1:
        raise UsageError(
            f"{len(parts)} results, and no place for their reports",
            hint="name a folder with --out",
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
            "slower": [
                {
                    "kernel": it.kernel,
                    "what": it.what,
                    "before": it.before,
                    "after": it.after,
                }
                for it in changes.slower
            ],
        },
    }


def _named(cases: Sequence[CaseResult]) -> list[dict[str, str]]:
    return [{"kernel": it.kernel, "suite": it.suite, "case": it.case} for it in cases]
