"""What a step reports to the GitHub workflow that runs it, in files that it names."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from runner.errors import InfrastructureError, file_errors
from runner.reports import annotations, markdown
from runner.reports.compare import Comparison
from runner.reports.criteria import Report
from runner.reports.support import ranges
from runner.results import Outcome, RunResults

OUTPUT = "GITHUB_OUTPUT"
SUMMARY = "GITHUB_STEP_SUMMARY"

# Of a step's summary; GitHub drops a longer one whole.
# https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
_MOST_SUMMARY = 1024 * 1024
# Too little for a heading: a summary that is full already.
_LEAST_SUMMARY = 1000


def set_outputs(values: Mapping[str, str]) -> None:
    """Set outputs of the step; nothing outside of a workflow.

    Raises InfrastructureError when the workflow's file can't be written.
    """
    _append(OUTPUT, "".join(_line(name, value) for name, value in values.items()))


def is_there() -> bool:
    """Whether this is a step of a workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def announce(report: Report, file: TextIO) -> None:
    """Report a run to the workflow, if there is one. Raises as `show` does."""
    if is_there():
        show(report, file)


def show(report: Report, file: TextIO) -> None:
    """Print annotations, show the summary, and set the step's outputs.

    Raises InfrastructureError when the workflow's files can't be written.
    """
    for line in annotations.lines(report.results, report.comparison, report.gate):
        print(line, file=file)
    set_outputs(_outputs(report.results, report.comparison))
    room = _room_for_summary()
    if room >= _LEAST_SUMMARY:
        summary = markdown.render(
            report.results,
            report.comparison,
            release=report.release,
            gate=report.gate,
            limit=room,
        )
        _append(SUMMARY, summary)


def _outputs(results: RunResults, comparison: Comparison | None) -> dict[str, str]:
    return {
        "passed": str(results.count(Outcome.PASSED)),
        "failed": str(results.count(Outcome.FAILED)),
        "errors": str(results.count(Outcome.ERROR)),
        "regressions": "" if comparison is None else str(len(comparison.regressions)),
        "complete": str(results.complete).lower(),
        "compatible-range": ranges(results).statement,
    }


def _room_for_summary() -> int:
    """Return how many bytes this step may still add to its summary."""
    path = os.environ.get(SUMMARY)
    try:
        return _MOST_SUMMARY - Path(path or os.devnull).stat().st_size
    except OSError:
        return _MOST_SUMMARY


@contextmanager
def muted(file: TextIO) -> Iterator[None]:
    """Let what objects, guests and suites say be no command to the workflow."""
    if not is_there():
        yield
        return
    # Random, so that nothing that is printed can end it.
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", file=file, flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", file=file, flush=True)


def _line(name: str, value: str) -> str:
    if "\n" not in value:
        return f"{name}={value}\n"
    # Random, so that no value can end itself and set others.
    end = f"end-{secrets.token_hex(16)}"
    return f"{name}<<{end}\n{value}\n{end}\n"


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if not path or not text:
        return
    what = f"{variable}: {path} can't be written"
    hint = "outside of a workflow, unset the variable"
    with (
        file_errors(InfrastructureError, what, hint=hint),
        Path(path).open("a", encoding="utf-8", errors="replace") as file,
    ):
        file.write(text)
