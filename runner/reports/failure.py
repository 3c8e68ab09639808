"""Words on a failure on the terminal, at the end of a run and by `explain`."""

from collections.abc import Callable, Iterator, Mapping

from runner.reports import loads, output
from runner.reports.groups import Group
from runner.reports.text import clean, one_line
from runner.results import CaseResult

# Lines of a message, such as clang's, before its middle is left out.
_MOST_LINES = 16
# Mismatches of a case, and lines of what a command printed to a stream.
_MOST_MISMATCHES = 10
_MOST_PRINTED = 8
# Lines of what a command loaded, where it failed.
_MOST_LOADED = 12


def _distinct(group: Group, what: str) -> Iterator[tuple[str, str]]:
    """Yield what is told of a group's kernels, each once, with their names before it.

    The names are empty where the same is reported of all.
    """
    found: dict[str, list[str]] = {}
    for case in group.cases:
        found.setdefault(_OF_CASE[what](case), []).append(case.kernel)
    for text, kernels in found.items():
        yield (f" on {', '.join(kernels)}" if len(found) > 1 else ""), text


def _loaded_lines(group: Group) -> Iterator[tuple[str, str]]:
    """Yield what the commands of a group loaded, a line each, as `_distinct` does."""
    found: dict[str, list[str]] = {}
    for case in group.cases:
        for line in loads.lines(case, _MOST_LOADED):
            found.setdefault(line, []).append(case.kernel)
    for line, kernels in found.items():
        everywhere = len(kernels) == len(group.cases)
        yield ("" if everywhere else f" on {', '.join(kernels)}"), line


def _why(case: CaseResult) -> str:
    why = case.message or "no reason was given"
    if case.failure_class:
        why = f"[{case.failure_class}] {why}"
    return why


def _more(case: CaseResult) -> str:
    """Return further mismatches, a line each."""
    more = [one_line(str(it)) for it in case.mismatches if str(it) != case.message]
    left = len(more) - _MOST_MISMATCHES
    if left > 0:
        more[_MOST_MISMATCHES:] = [
            f"{left} more mismatch{'' if left == 1 else 'es'}; see results.json"
        ]
    return "\n".join(more)


def printed_lines(group: Group) -> Iterator[tuple[str, str]]:
    """Yield what commands printed that failed: the kernels above it, or a line of it.

    What is the same on several kernels is in the file of each; the first one is named.
    """
    found: dict[tuple[tuple[str, str], ...], list[CaseResult]] = {}
    for case in group.cases:
        streams = output.failed_streams(case)
        found.setdefault(tuple((it.title, it.text) for it in streams), []).append(case)
    for printed, cases in found.items():
        if printed and len(found) > 1:
            yield f"printed on {', '.join(it.kernel for it in cases)}:", ""
        for stream in output.failed_streams(cases[0]):
            yield "", f"{stream.title}:"
            for line in output.last_lines(stream.text, _MOST_PRINTED):
                yield "", f"  {line}"
            if stream.where:
                yield "", f"  {stream.where}"


_OF_CASE: Mapping[str, Callable[[CaseResult], str]] = {
    "why": _why,
    "more": _more,
    "guest": lambda case: case.guest_words,
    "do": lambda case: case.cure or output.where_to_look(case),
}


def _shortened(text: str) -> list[str]:
    """Return a message's lines, without the middle of many."""
    first, *rest = clean(text).strip().splitlines() or [""]
    left = len(rest) - _MOST_LINES
    if left > 0:
        half = _MOST_LINES // 2
        rest[half:-half] = [f"[… {left} lines; see results.json]"]
    return [first, *rest]


FILTERS: Mapping[str, Callable[..., object]] = {
    "distinct": _distinct,
    "loaded_lines": _loaded_lines,
    "printed_lines": printed_lines,
    "shortened": _shortened,
}
