"""The terminal's summary: kernels by suites, and what to do about each failure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from runner.errors import ExitStatus
from runner.reports import output
from runner.reports.looks import (
    LOOKS,
    VERDICTS,
    by_cell,
    cell,
    counted,
    counts,
    shown,
    suites,
)
from runner.reports.terms import Report
from runner.reports.text import clean, one_line
from runner.results import CaseResult, KernelRun, Outcome, RunResults, exit_status

# Lines of a message, such as clang's, before its middle is left out.
_MOST_LINES = 16
# Mismatches of a case, and lines of what a command printed to a stream.
_MOST_MISMATCHES = 10
_MOST_PRINTED = 8

_INDENT = "    "

# Cases of each kind of change.
_MOST_CHANGES = 10

_WORD = re.compile(r"\S+")


def render(
    report: Report,
    console: Console,
    folder: Path | None = None,
    *,
    quiet: bool = False,
) -> None:
    """Print a run's summary; `folder` is where its reports are.

    When `quiet`, only what failed and the last line.
    """
    results = report.results
    if not quiet:
        _render_matrix(results, console)
    gone = {kernel.id for kernel in results.kernels if kernel.error}
    _render_cases("Failures", Outcome.FAILED, report, results.cases, console)
    errors = [case for case in results.cases if case.kernel not in gone]
    lost = [kernel for kernel in results.kernels if kernel.error]
    if lost or any(case.outcome is Outcome.ERROR for case in errors):
        heading = "Infrastructure errors, which say nothing about the objects"
        _render_cases(heading, Outcome.ERROR, report, errors, console, always=True)
        for kernel in lost:
            _render_lost(kernel, results, console)
    if not quiet:
        _render_notes(results, console)
        _render_changes(report, console)
    if not quiet or _has_trouble(report):
        console.print()
    _render_end(report, console, folder)


def _has_trouble(report: Report) -> bool:
    """Whether anything stands above the last line of a quiet summary."""
    return any(it.error for it in report.results.kernels) or any(
        it.outcome in (Outcome.FAILED, Outcome.ERROR) for it in report.results.cases
    )


# --------------------------------------------------------------- the matrix


def _render_matrix(results: RunResults, console: Console) -> None:
    cases = by_cell(results)
    for wide in (True, False):
        table = _table(results, cases, console, wide=wide)
        options = console.options.update(width=10_000)
        if Measurement.get(console, options, table).maximum <= console.width:
            console.print(table)
            return
    # Too narrow for a table: a line for each kernel and suite.
    for kernel in results.kernels:
        _print(console, [(shown(kernel), "bold")])
        for suite in suites(results):
            found = _cell(cases.get((kernel.id, suite), ()), console)
            if found:
                line = Text(f"  {_fit(suite, console)} ").append_text(found)
                console.print(line, soft_wrap=True, highlight=False)


def _table(
    results: RunResults,
    cases: Mapping[tuple[str, str], Sequence[CaseResult]],
    console: Console,
    *,
    wide: bool,
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("kernel", no_wrap=True)
    if wide:
        table.add_column("release", no_wrap=True)
    names = suites(results)
    for suite in names:
        table.add_column(Text(_fit(suite, console)), no_wrap=True)
    for kernel in results.kernels:
        row = [Text(shown(kernel), "bold")]
        if wide:
            row.append(Text(_fit(_release(kernel, console), console), "dim"))
        row += [_cell(cases.get((kernel.id, suite), ()), console) for suite in names]
        table.add_row(*row)
    return table


def _release(kernel: KernelRun, console: Console) -> str:
    if kernel.error:
        return f"{_sign(Outcome.ERROR, console)} did not come up"
    return " ".join(filter(None, (kernel.release, kernel.accelerator)))


def _cell(cases: Sequence[CaseResult], console: Console) -> Text:
    """Return "✓ 4/4" or "✗ 3/4": the worst outcome, and how many of them passed."""
    found = cell(cases)
    if found is None:
        return Text("")
    shown_ = f"{_sign(found.worst, console)} {found.counts}"
    if found.run and found.gaps:
        shown_ += f" {_sign(Outcome.SKIPPED, console)}{found.gaps}"
    return Text(shown_, LOOKS[found.worst].style)


# ----------------------------------------------------------------- failures


@dataclass(frozen=True)
class _Reason:
    """What one entry tells; kernels that fail alike share it."""

    suite: str
    case: str
    why: str
    cure: str
    # Further mismatches, and what the command printed that failed.
    more: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()


def _render_cases(
    heading: str,
    outcome: Outcome,
    report: Report,
    cases: Sequence[CaseResult],
    console: Console,
    *,
    always: bool = False,
) -> None:
    names = {kernel.id: shown(kernel) for kernel in report.results.kernels}
    kernels: dict[_Reason, list[str]] = {}
    for case in cases:
        if case.outcome is outcome:
            name = names.get(case.kernel, case.kernel)
            if report.comparison is not None and report.comparison.is_regression(case):
                name += " (regression)"
            kernels.setdefault(_reason(case), []).append(name)
    if not kernels and not always:
        return
    console.print()
    _print(console, [(heading, "bold")])
    for reason, on in kernels.items():
        what = f"{', '.join(on)}: {reason.suite}::{reason.case}"
        _render_entry(outcome, what, reason.why, reason.cure, console, more=reason.more)
        for line in reason.printed:
            _print(console, [(line, "dim")], indent=_INDENT)


def _reason(case: CaseResult) -> _Reason:
    why = case.message or "no reason was given"
    if case.failure_class:
        why = f"[{case.failure_class}] {why}"
    more = [str(found) for found in case.mismatches if str(found) != case.message]
    left = len(more) - _MOST_MISMATCHES
    if left > 0:
        more[_MOST_MISMATCHES:] = [
            f"{left} more mismatch{'' if left == 1 else 'es'}, which results.json has"
        ]
    return _Reason(
        suite=case.suite,
        case=case.case,
        why=why,
        cure=case.cure or output.where_to_look(case),
        more=tuple(more),
        printed=tuple(_printed(case)),
    )


def _printed(case: CaseResult) -> Iterator[str]:
    """Yield the last lines of what the command printed that failed."""
    command = output.failed(case)
    if command is None:
        return
    for stream in output.streams(command):
        yield f"{stream.title}:"
        for line in output.last_lines(stream.text, _MOST_PRINTED):
            yield f"  {line}"
        if stream.where:
            yield f"  {stream.where}"


def _render_lost(kernel: KernelRun, results: RunResults, console: Console) -> None:
    count = sum(case.kernel == kernel.id for case in results.cases)
    cases = counted(count, "case", plural="cases") or "no case"
    what = f"{shown(kernel)}: did not come up; it leaves {cases} undone"
    logs = f"see {kernel.id}/console.log and {kernel.id}/runner.log"
    cure = kernel.cure or logs
    _render_entry(Outcome.ERROR, what, kernel.error, cure, console)


def _render_entry(
    outcome: Outcome,
    what: str,
    why: str,
    cure: str,
    console: Console,
    *,
    more: Sequence[str] = (),
) -> None:
    look = LOOKS[outcome]
    sign = _sign(outcome, console)
    _print(console, [(f"{sign} ", look.style), (one_line(what), "bold")], indent="  ")
    first, *rest = clean(why).strip().splitlines() or [""]
    _print(console, [("why: ", "dim"), (first, "")], indent=_INDENT)
    left = len(rest) - _MOST_LINES
    if left > 0:
        half = _MOST_LINES // 2
        rest[half:-half] = [f"[… {left} lines, which results.json has]"]
    for line in rest:
        _print(console, [(line, "")], indent=_INDENT * 2)
    for line in more:
        _print(console, [("and: ", "dim"), (one_line(line), "")], indent=_INDENT)
    if cure:
        _print(console, [("do:  ", "dim"), (one_line(cure), "")], indent=_INDENT)


# ------------------------------------------------------------------- the end


def _render_notes(results: RunResults, console: Console) -> None:
    notes = [
        (f"{kernel.id}: ", note) for kernel in results.kernels for note in kernel.notes
    ]
    notes += [
        (f"{case.kernel} {case.suite}::{case.case}: ", case.message)
        for case in results.cases
        if case.outcome is Outcome.PASSED and case.message and not case.failure_class
    ]
    notes += [
        (
            f"{case.kernel} {case.suite}::{case.case}: ",
            f"flaky, {case.outcome} at the second try; at the first {case.flaky}",
        )
        for case in results.cases
        if case.flaky
    ]
    if notes:
        console.print()
    for about, note in notes:
        _print(console, [(about, "bold yellow"), (note, "")], indent=" ")


def _render_changes(report: Report, console: Console) -> None:
    comparison = report.comparison
    if comparison is None:
        return
    console.print()
    about = f"Compared with the run of {comparison.baseline}: "
    _print(console, [(about, "bold"), (comparison.words, "")])
    for what, cases in (
        ("fixed", comparison.fixes),
        ("vanished", comparison.vanished),
        ("new gap", comparison.new_gaps),
    ):
        for case in cases[:_MOST_CHANGES]:
            name = f"{case.kernel}: {case.suite}::{case.case}"
            _print(console, [(f"{what}: ", "dim"), (name, "")], indent="  ")
        if len(cases) > _MOST_CHANGES:
            left = f"and {len(cases) - _MOST_CHANGES} more"
            _print(console, [(f"{what}: ", "dim"), (left, "")], indent="  ")
    for slower in comparison.slower[:_MOST_CHANGES]:
        took = f"{slower.before:.1f} s before, {slower.after:.1f} s now"
        name = f"{slower.kernel}: {slower.what}, {took}"
        _print(console, [("slower: ", "dim"), (name, "")], indent="  ")


def _render_end(report: Report, console: Console, folder: Path | None) -> None:
    results = report.results
    kernels = counted(len(results.kernels), "kernel", plural="kernels") or "no kernel"
    status = exit_status(results)
    verdict, style = VERDICTS[status]
    parts = [
        (verdict, style),
        (f": {counts(results)}", ""),
    ]
    if status is not report.status:
        # Failures that the gate lets pass are all there are.
        passes = report.status is ExitStatus.COMPATIBLE
        said = "passes the gate" if passes else "no verdict of the gate"
        parts.append((f"; {said} for {report.gate}", "green" if passes else "yellow"))
    trouble = results.count(Outcome.ERROR) or any(k.error for k in results.kernels)
    if trouble and status is not ExitStatus.COMPATIBLE:
        also = " too" if status is ExitStatus.INCOMPATIBLE else ""
        parts.append((f"; infrastructure failed{also}", "yellow"))
    if not results.complete:
        parts.append(("; stopped before every case was done", "yellow"))
    parts.append((f"; {kernels}, {results.duration:.1f} s", ""))
    if folder is not None:
        parts.append((f"; reports: {folder}", ""))
    _print(console, parts)


# ------------------------------------------------------------------ printing


def _sign(outcome: Outcome, console: Console) -> str:
    look = LOOKS[outcome]
    return look.ascii_sign if console.options.ascii_only else look.sign


def _fit(text: str, console: Console) -> str:
    """Return text with only what the console's encoding has."""
    if not console.options.ascii_only:
        return clean(text)
    return clean(text).replace("…", "...").encode("ascii", "replace").decode()


def _print(
    console: Console, parts: Sequence[tuple[str, str]], *, indent: str = ""
) -> None:
    """Print styled text, broken between words only; what is too long sticks out.

    Further lines stand below the second part.
    """
    text = Text()
    for part, style in parts:
        text.append(_fit(part, console), style)
    hanging = " " * len(parts[0][0]) if indent and len(parts) > 1 else ""
    lines = _wrapped(text, console.width - len(indent), len(hanging))
    for number, line in enumerate(lines):
        start = indent + hanging if number else indent
        console.print(Text(start).append_text(line), soft_wrap=True, highlight=False)


def _wrapped(text: Text, width: int, hanging: int) -> list[Text]:
    """Break before words that do not fit; `hanging` is the further lines' indent."""
    start = 0
    breaks = []
    for word in _WORD.finditer(text.plain):
        if word.start() > start and word.end() - start > width:
            breaks.append(word.start())
            start = word.start() - hanging
    lines = list(text.divide(breaks))
    for line in lines:
        line.rstrip()
    return lines
