"""GitHub's workflow commands: a line for each failure, at the line of its .bpf.c."""

from collections.abc import Iterator

from runner.reports.compare import Comparison
from runner.reports.groups import Group, grouped
from runner.reports.text import clean, one_line
from runner.results import CaseResult, Outcome, RunResults

# A step shows this many of each kind; the others are not shown at all.
MOST = 10
_MESSAGE = 2000


def lines(results: RunResults, comparison: Comparison | None = None) -> list[str]:
    """Return the commands; a failure that does not count is a warning.

    Regressions come first, because GitHub shows a few only.
    """
    optional = {kernel.id for kernel in results.kernels if not kernel.required}
    found = grouped(results.cases, Outcome.FAILED)
    if comparison is not None:
        found.sort(key=lambda it: not any(map(comparison.is_regression, it.cases)))
    commands = [_failure(it, optional, comparison) for it in found]
    return [*commands, *_lost(results)]


def _failure(group: Group, optional: set[str], comparison: Comparison | None) -> str:
    kind = "warning" if optional.issuperset(group.kernels) else "error"
    title = group.title
    if comparison is not None:
        regressed = [it.kernel for it in group.cases if comparison.is_regression(it)]
        if regressed:
            title += f" (regression on {', '.join(regressed)})"
    place = f"file={_property(group.first.source_path)},line={group.line},"
    if not group.first.source_path:
        place = ""
    return f"::{kind} {place}title={_property(title)}::{_data(_message(group.first))}"


def _message(case: CaseResult) -> str:
    words = [f"[{case.failure_class}] {case.message}" if case.failure_class else ""]
    words = words if words[0] else [case.message]
    if case.cure:
        words.append(f"what to do: {case.cure}")
    return clean("\n".join(words))[:_MESSAGE]


def _lost(results: RunResults) -> Iterator[str]:
    for kernel in results.kernels:
        if kernel.error:
            title = _property(f"{kernel.id} did not come up")
            yield f"::warning title={title}::{_data(clean(kernel.error)[:_MESSAGE])}"


def _data(text: str) -> str:
    """Escape a command's message as GitHub's own toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
