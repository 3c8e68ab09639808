"""Tells the GitHub workflow that this is a step of what a run found."""

from typing import TextIO

from runner.cli import workflow
from runner.reports import annotations, markdown
from runner.reports.terms import Report

# Too little for a heading: a summary that is full already.
_LEAST = 1000


def announce(report: Report, file: TextIO) -> None:
    """Print annotations, and show the summary; nothing outside of a workflow.

    Raises InfrastructureError when the workflow's file can't be written.
    """
    if not workflow.is_there():
        return
    for line in annotations.lines(report.results, report.comparison, report.gate):
        print(line, file=file)
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
