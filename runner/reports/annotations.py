"""GitHub's workflow commands: a line for each failure, at the line of its .bpf.c."""

from collections.abc import Iterator, Sequence

from runner.reports import output
from runner.reports.compare import Comparison, Gate, held
from runner.reports.groups import Group, grouped
from runner.reports.text import clean, one_line
from runner.results import CaseResult, Outcome, RunResults

# A step shows this many of each kind; the others are not shown at all.
MOST = 10
_MESSAGE = 2000
# Lines of what a command printed.
_PRINTED = 5


def lines(
    results: RunResults,
    comparison: Comparison | None = None,
    gate: Gate = Gate.ALL,
) -> list[str]:
    """Return the commands, at most MOST of a kind.

    A failure that the gate lets pass is a warning. What came newly is first, because
    GitHub leaves out what is too many; the last one then tells how many there are.
    """
    found = grouped(results.cases, Outcome.FAILED)
    if comparison is not None:
        found.sort(key=lambda it: not any(map(comparison.is_regression, it.cases)))
    is_held = held(results, gate, comparison)
    errors: list[str] = []
    warnings: list[str] = []
    for group in found:
        kind = errors if any(map(is_held, group.cases)) else warnings
        kind.append(_failure(group, comparison))
    warnings += _lost(results)
    return [*_commands("error", errors), *_commands("warning", warnings)]


def _commands(kind: str, found: Sequence[str]) -> Iterator[str]:
    shown = found if len(found) <= MOST else found[: MOST - 1]
    yield from (f"::{kind} {it}" for it in shown)
    if len(found) > len(shown):
        left = len(found) - len(shown)
        yield f"::{kind} title=and {left} more::the job's summary and the report tell"


def _failure(group: Group, comparison: Comparison | None) -> str:
    title = group.title
    if comparison is not None:
        regressed = [it.kernel for it in group.cases if comparison.is_regression(it)]
        if regressed:
            title += f" (regression on {', '.join(regressed)})"
    place = f"file={_property(group.first.source_path)},line={group.line},"
    if not group.first.source_path:
        place = ""
    return f"{place}title={_property(title)}::{_data(_message(group.first))}"


def _message(case: CaseResult) -> str:
    words = [f"[{case.failure_class}] {case.message}" if case.failure_class else ""]
    words = words if words[0] else [case.message]
    if case.cure:
        words.append(f"what to do: {case.cure}")
    command = output.failed(case)
    for stream in () if command is None else output.streams(command):
        words += [f"{stream.title}:", *output.last_lines(stream.text, _PRINTED)]
    return clean("\n".join(words))[:_MESSAGE]


def _lost(results: RunResults) -> Iterator[str]:
    for kernel in results.kernels:
        if kernel.error:
            title = _property(f"{kernel.id} did not come up")
            yield f"title={title}::{_data(clean(kernel.error)[:_MESSAGE])}"


def _data(text: str) -> str:
    """Escape a command's message as GitHub's own toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
