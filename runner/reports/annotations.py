"""GitHub's workflow commands: a line for each failure, at the line of its .bpf.c."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.files.sources import from_top
from runner.reports import foretold, output, style
from runner.reports.compare import (
    VANISHED_CURE,
    Comparison,
    Gate,
    held,
    vanished_words,
)
from runner.reports.groups import Group, failures
from runner.reports.text import clean, one_line
from runner.results import CaseResult, RunResults

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
    GitHub leaves out what is too many; the last one then says how many there are.
    """
    is_held = held(results, gate, comparison)
    errors = [
        *_incomplete(results),
        *_vanished(results, comparison),
        *_failed_tests(results),
    ]
    warnings: list[str] = []
    for group in failures(results, comparison):
        kind = errors if any(map(is_held, group.cases)) else warnings
        kind.append(_failure(group, comparison))
    warnings += _lost(results)
    warnings += map(_finding, foretold.findings(results))
    return [*_commands("error", errors), *_commands("warning", warnings)]


def _commands(kind: str, found: Sequence[str]) -> Iterator[str]:
    shown = found if len(found) <= MOST else found[: MOST - 1]
    yield from (f"::{kind} {it}" for it in shown)
    if len(found) > len(shown):
        left = len(found) - len(shown)
        yield f"::{kind} title=and {left} more::see the job's summary and the report"


def _failure(group: Group, comparison: Comparison | None) -> str:
    title = group.title
    if comparison is not None:
        for word, kernels in comparison.changes_of(group.cases).items():
            title += f" ({word} on {', '.join(kernels)})"
    file = from_top(group.first.source_path, Path.cwd())
    place = f"file={_property(file)},line={group.line},"
    if not group.first.source_path:
        place = ""
    return f"{place}title={_property(title)}::{_data(_message(group.first))}"


def _finding(told: foretold.ToldFinding) -> str:
    title = f"{told.finding.subject} on {', '.join(told.kernels)}"
    place = ""
    if told.file:
        file = from_top(told.file, Path.cwd())
        place = f"file={_property(file)},line={told.line},"
    cure = f"\nwhat to do: {told.finding.cure}" if told.finding.cure else ""
    text = clean(f"{told.finding.reason}{cure}")[:_MESSAGE]
    return f"{place}title={_property(title)}::{_data(text)}"


def _message(case: CaseResult) -> str:
    label = f"[{case.failure_class}] " if case.failure_class else ""
    words = [f"{label}{case.message}"]
    if case.cure:
        words.append(f"what to do: {case.cure}")
    for stream in output.failed_streams(case):
        words += [f"{stream.title}:", *output.last_lines(stream.text, _PRINTED)]
    return clean("\n".join(words))[:_MESSAGE]


def _failed_tests(results: RunResults) -> Iterator[str]:
    for test in results.failed_tests:
        title = _property(f"{test.nodeid} failed; it runs on no kernel")
        yield f"title={title}::{_data(clean(test.message)[:_MESSAGE])}"


def _incomplete(results: RunResults) -> Iterator[str]:
    if not results.complete:
        title = _property(f"{style.incomplete(results)}: no verdict")
        yield f"title={title}::the run ended before every planned case had a result"


def _vanished(results: RunResults, comparison: Comparison | None) -> Iterator[str]:
    words = vanished_words(results, comparison)
    if comparison is not None and words:
        names = [f"{it.kernel} {it.suite}::{it.case}" for it in comparison.vanished]
        text = f"{', '.join(names)[:_MESSAGE]}\n{VANISHED_CURE}"
        yield f"title={_property(words)}::{_data(clean(text))}"


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
