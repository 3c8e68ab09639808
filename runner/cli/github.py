"""`github`: reports to a GitHub workflow what a run found."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from runner import reports
from runner.cli import github_output
from runner.cli.output import print_note
from runner.errors import ExitStatus
from runner.reports import flaky, markdown, resultsfile
from runner.reports.atomic import write_text
from runner.reports.claim import claimed
from runner.reports.compare import Gate
from runner.reports.criteria import Criteria, gates_of
from runner.run import options

# For comments on pull requests.
COMMENT = "comment.md"

EPILOG = """\
Prints annotations, sets the step's outputs (passed, failed, errors, regressions,
compatible-range), adds the summary to the job's page, and writes DIR's reports again,
with the comparison to the baseline, and DIR/comment.md.

exit status: the gate's verdict, as for a run; 0 without --gate

examples:
  python -m runner github reports/latest --gate all
  python -m runner github reports/latest --baseline baseline.json --gate regressions
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `github` takes."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="a run's --reports folder"
    )
    options.add_as(parser, "--baseline", "an earlier results.json, to find regressions")
    options.add_as(
        parser,
        "--gate",
        "which failures fail the gate: all, or only regressions and new failures "
        "(without a baseline all are new); cost adds programs that cost too much",
    )
    options.add(parser, *options.COSTS, "--flaky", *options.ALLOWANCES)


def main(arguments: argparse.Namespace) -> int:
    """Tell it, and return what the gate says.

    Raises UsageError for a folder or baseline that holds no run.
    """
    results = resultsfile.read(arguments.folder / reports.RESULTS)
    if arguments.baseline is None:
        criteria = _of_first_run(arguments)
    else:
        criteria = options.criteria_of(arguments)
    report = criteria.report(results)
    for note in flaky.notes(criteria.flaky, report.results):
        print_note(note)
    with claimed(arguments.folder, print_note):
        reports.write(report, arguments.folder)
        write_text(
            arguments.folder / COMMENT,
            markdown.render(report.results, report.comparison, gate=report.gate),
        )
    github_output.show(report, sys.stdout)
    return ExitStatus.COMPATIBLE if arguments.gate is None else report.status


def _of_first_run(arguments: argparse.Namespace) -> Criteria:
    """Return what holds of a run that has no baseline yet: all its failures are new."""
    gate, costs_count = gates_of(arguments.gate)
    criteria = Criteria.read(
        baseline=None,
        gate="cost" if costs_count else None,
        limits=options.limits_of(arguments),
        release=None,
        flaky=arguments.flaky,
    )
    return replace(criteria, gate=gate if arguments.allow_new_failures else Gate.ALL)
