"""summary.md: a run for GitHub's job summary and comments on pull requests.

What comes from suites, objects and guests stands in code spans and code blocks, where
GitHub sees no markup, mention or link in it.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from runner.errors import ExitStatus
from runner.reports import agreement, cells, foretold, loads, output, style, templating
from runner.reports.compare import (
    VANISHED_CURE,
    Comparison,
    Gate,
    gate_status,
    vanished_words,
)
from runner.reports.groups import errors, failures, grouped
from runner.reports.release import Release
from runner.reports.style import is_uncompared
from runner.reports.support import ranges
from runner.reports.text import clean, one_line
from runner.results import (
    KernelRun,
    Outcome,
    RunResults,
    exit_status,
)

# What a comment may have; a job summary may have a megabyte.
LIMIT = 65_536

# By this, a comment of an earlier run is found again.
MARKER = "<!-- bpf-kernel-matrix -->"

# Characters of a message, and lines of a log.
_MESSAGE = 600
_LOG_LINES = 25
_LOG_WIDTH = 300
_MISMATCHES = 10
# Rows of a table, and cases on a line.
_ROWS = 60
_NAMES = 20

_SECTION = "\n\n"


def render(
    results: RunResults,
    comparison: Comparison | None = None,
    *,
    release: Release | None = None,
    gate: Gate = Gate.ALL,
    limit: int = LIMIT,
) -> str:
    """Return a run as Markdown of at most `limit` bytes, which is no fewer characters.

    `gate` is what the run is judged by. When there is too little room, logs go first,
    then failures from the end, then kernels without any trouble.
    """
    parts = _parts()
    vanished = vanished_words(results, comparison)
    title = _title(results, gate_status(results, gate, comparison), vanished)
    skipped = [
        ("Declared gaps", [it for it in results.cases if not is_uncompared(it)]),
        ("Not compared with other kernels", list(filter(is_uncompared, results.cases))),
    ]
    tail = parts.tail(
        [(name, grouped(cases, Outcome.SKIPPED)) for name, cases in skipped], results
    )
    failed = failures(results, comparison)
    for logs, rows in ((True, _ROWS), (False, _ROWS), (False, 10)):
        head = parts.head(
            results, comparison, vanished, release, *_matrix(results, rows)
        )
        details = [
            *(parts.failure(it, comparison, logs) for it in failed),
            *(parts.lost_kernel(it) for it in results.kernels if it.error),
            *(parts.failure(it, comparison, logs) for it in errors(results)),
        ]
        text = _fitted([title, head], details, tail, limit)
        if text is not None and (_is_whole(text) or not logs):
            return text
    return _cut(f"{title}\n", limit)


@cache
def _parts() -> Any:
    """Return the macros of the template, each of which gives a part."""
    filters = (code, block, row, names, style.shown)
    environment = templating.of_text({it.__name__: it for it in filters})
    values = {
        "counts": style.counts,
        "differences": loads.differences,
        "disagreements": agreement.differences,
        "foretold": _foretold,
        "foretold_counts": foretold.counts,
        "failed_streams": output.failed_streams,
        "loaded": lambda case: "\n".join(loads.lines(case)),
        "looks": style.LOOKS,
        "most_letters": _MESSAGE,
        "most_mismatches": _MISMATCHES,
        "most_names": _NAMES,
        "most_rows": _ROWS,
        "notes": _notes,
        "ranges": ranges,
        "row": row,
        "undone": style.names,
        "vanished_cure": VANISHED_CURE,
    }
    return environment.get_template("markdown.j2", globals=values).module


# ------------------------------------------------------------------- escaping


def code(text: str, *, most: int = _MESSAGE) -> str:
    """Return text as a code span on one line."""
    line = one_line(text)
    if len(line) > most:
        line = line[:most] + "…"
    if not line:
        return ""
    fence = "`" * (_longest_run(line) + 1)
    blank = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def block(text: str, *, most: int = _LOG_LINES) -> str:
    """Return the last lines of a text as a code block."""
    lines = [line[:_LOG_WIDTH] for line in clean(text).rstrip().splitlines()]
    left_out = len(lines) - most
    if left_out > 0:
        lines = [f"[{left_out} lines left out]", *lines[-most:]]
    fence = "`" * max(3, _longest_run("\n".join(lines)) + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def row(texts: Iterable[object]) -> str:
    """Return a line of a table."""
    # A bar ends a cell, even one in a code span.
    return "| " + " | ".join(str(it).replace("|", "\\|") for it in texts) + " |"


def names(found: Iterable[object]) -> str:
    """Return a list of names, or its beginning and how many more there are."""
    all_ = list(map(str, found))
    more = f" and {len(all_) - _NAMES} more" if len(all_) > _NAMES else ""
    return ", ".join(code(it) for it in all_[:_NAMES]) + more


# -------------------------------------------------------------------- sections


def _title(results: RunResults, judged: ExitStatus, vanished: str) -> str:
    """Return the heading; `judged` is what the gate says, `vanished` how many did."""
    status = exit_status(results)
    verdict = style.verdict(results)
    if vanished:
        verdict += f", {'and' if judged is status else 'but'} {vanished}"
    elif judged is not status:
        verdict += ", but not by a regression"
    sign = {0: "✅", 1: "❌"}.get(int(judged), "⚠️")
    return f"{MARKER}\n## {sign} Kernel matrix: {verdict}"


def _matrix(
    results: RunResults, most: int
) -> tuple[list[str], list[tuple[KernelRun, list[cells.Cell | None]]], int]:
    """Return the suites, the rows to show, and how many others there are."""
    rows = cells.rows(results)
    if len(rows) > most:
        bad = cells.troubled(results)
        rows = [it for it in rows if it[0].id in bad][:most]
    return cells.suites(results), rows, len(results.kernels) - len(rows)


def _foretold(
    results: RunResults,
) -> list[tuple[str, list[tuple[foretold.SaidAlike, str]]]]:
    """Return what preflight said and could not say, each with a cure if it has one."""
    return [
        (
            "Predicted warnings",
            [(it, it.finding.cure) for it in foretold.findings(results)],
        ),
        ("Not predicted", [(it, "") for it in foretold.not_predicted(results)]),
        ("Not known without a boot", [(it, "") for it in foretold.not_known(results)]),
    ]


def _notes(results: RunResults) -> list[tuple[str, str]]:
    return [(it.id, note) for it in results.kernels for note in it.remarks]


# ------------------------------------------------------------------- the limit


_LEFT_OUT = "more failures are left out here"


def _fitted(
    head: Sequence[str], failures: Sequence[str], tail: str, limit: int
) -> str | None:
    """Return what fits, failures from the first on; None when the head does not."""
    # Macros leave line ends.
    head = [it.strip() for it in head]
    failures, tail = [it.strip() for it in failures], tail.strip()
    room = limit - _size([*head, tail]) - 200
    if room < 0:
        tail, room = "", limit - _size(head) - 200
    if room < 0:
        return None
    taken: list[str] = []
    for text in failures:
        room -= len(text.encode()) + len(_SECTION)
        if room < 0:
            break
        taken.append(text)
    heading = ["### Failures"] if taken else []
    left = len(failures) - len(taken)
    note = [f"_{left} {_LEFT_OUT}; see report.html._"] if left else []
    parts = [*head, *heading, *taken, *note, tail]
    return _SECTION.join(filter(None, parts)) + "\n"


def _is_whole(text: str) -> bool:
    return _LEFT_OUT not in text


def _size(parts: Sequence[str]) -> int:
    return sum(len(it.encode()) + len(_SECTION) for it in parts if it)


def _cut(text: str, limit: int) -> str:
    return text.encode()[:limit].decode("utf-8", "ignore")
