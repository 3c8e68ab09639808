"""Reports to the GitHub workflow that this is a step of what a run found."""

from typing import TextIO

from runner.cli import workflow
from runner.reports import annotations, markdown
from runner.reports.compare import Comparison
from runner.reports.support import ranges
from runner.reports.terms import Report
from runner.results import Outcome, RunResults

# Too little for a heading: a summary that is full already.
_LEAST = 1000


def announce(report: Report, file: TextIO) -> None:
    """Tell it, if there is a workflow. Raises as `tell` does."""
    if workflow.is_there():
        tell(report, file)


def tell(report: Report, file: TextIO) -> None:
    """Print annotations, show the summary, and set the step's outputs.

    Raises InfrastructureError when the workflow's files can't be written.
    """
    for line in annotations.lines(report.results, report.comparison, report.gate):
        print(line, file=file)
    workflow.set_outputs(outputs(report.results, report.comparison))
    room = workflow.room_for_summary()
    if room < _LEAST:
        return
    workflow.add_summary(
        markdown.render(
            report.results,
            report.comparison,
            release=report.release,
            gate=report.gate,
            limit=room,
        )
    )


def outputs(results: RunResults, comparison: Comparison | None) -> dict[str, str]:
    """Return the step's outputs."""
    return {
        "passed": str(results.count(Outcome.PASSED)),
        "failed": str(results.count(Outcome.FAILED)),
        "errors": str(results.count(Outcome.ERROR)),
        "regressions": "" if comparison is None else str(len(comparison.regressions)),
        "complete": str(results.complete).lower(),
        "compatible-range": ranges(results).statement,
    }
