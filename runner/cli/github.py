"""`github`: tells a GitHub workflow what a run found."""

import argparse
from pathlib import Path

from runner import reports
from runner.cli import workflow
from runner.errors import ExitStatus
from runner.reports import annotations, markdown, resultsfile
from runner.reports.atomic import write_text
from runner.reports.compare import Comparison, Gate, compare, gate_status
from runner.reports.support import ranges
from runner.results import Outcome, RunResults

# For comments on pull requests.
COMMENT = "comment.md"

EPILOG = """\
Prints annotations, sets the step's outputs (passed, failed, errors, regressions,
compatible-range), shows the summary on the workflow's page, and writes DIR/comment.md.

exit status: what the gate says of the run, as that of a run; 0 without --gate

examples:
  python -m runner github reports/latest --gate all
  python -m runner github reports/latest --baseline baseline.json --gate regressions
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `github` takes."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="a run's --reports folder"
    )
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="an earlier results.json, against which regressions are told",
    )
    parser.add_argument(
        "--gate",
        choices=[str(it) for it in Gate],
        help="what fails: all failures, or only regressions (without a baseline none)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Tell it, and return what the gate says.

    Raises UsageError for a folder or baseline that holds no run.
    """
    results = resultsfile.read(arguments.folder / reports.RESULTS)
    comparison = None
    if arguments.baseline is not None:
        comparison = compare(resultsfile.read(arguments.baseline), results)
    for line in annotations.lines(results, comparison):
        print(line)
    write_text(arguments.folder / COMMENT, markdown.render(results, comparison))
    workflow.add_summary(
        markdown.render(results, comparison, limit=workflow.MOST_SUMMARY)
    )
    workflow.set_outputs(outputs(results, comparison))
    if arguments.gate is None:
        return ExitStatus.COMPATIBLE
    # A first run has nothing yet that could be a regression.
    held_against = comparison or compare(results, results)
    return gate_status(results, Gate(arguments.gate), held_against)


def outputs(results: RunResults, comparison: Comparison | None) -> dict[str, str]:
    """Return the step's outputs."""
    return {
        "passed": str(results.count(Outcome.PASSED)),
        "failed": str(results.count(Outcome.FAILED)),
        "errors": str(results.count(Outcome.ERROR)),
        "regressions": "" if comparison is None else str(len(comparison.regressions)),
        "compatible-range": ranges(results).statement,
    }
