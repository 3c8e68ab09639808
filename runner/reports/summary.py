"""The terminal's summary: kernels by suites, and what to do about each failure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from runner.errors import ExitStatus
from runner.reports import cells, output, style
from runner.reports.compare import VANISHED_CURE, vanished_words
from runner.reports.criteria import Report
from runner.reports.groups import Group, errors, failures
from runner.reports.style import (
    LOOKS,
    VERDICTS,
    counted,
    counts,
    shown,
)
from runner.reports.text import clean, one_line
from runner.results import (
    CaseResult,
    KernelRun,
    Outcome,
    RunResults,
    checked_nothing,
    exit_status,
)
from runner.text.tables import print_table

# Lines of a message, such as clang's, before its middle is left out.
_MOST_LINES = 16
# Mismatches of a case, and lines of what a command printed to a stream.
_MOST_MISMATCHES = 10
_MOST_PRINTED = 8

_INDENT = "    "

# Cases of each kind of change.
_MOST_CHANGES = 10

# What a gate says that does not say the same as the verdict.
_GATES = {
    ExitStatus.COMPATIBLE: ("passes the gate", "green"),
    ExitStatus.INCOMPATIBLE: ("fails the gate", "bold red"),
    ExitStatus.INFRASTRUCTURE: ("no verdict of the gate", "yellow"),
}

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
    failed, broken = failures(results), errors(results)
    lost = [kernel for kernel in results.kernels if kernel.error]
    if failed:
        _render_groups("Failures", failed, report, console)
    if lost or broken:
        heading = "Infrastructure errors, which say nothing about the objects"
        _render_groups(heading, broken, report, console)
        for kernel in lost:
            _render_lost(kernel, results, console)
    _render_failed_tests(results, console)
    _render_undone(results, console)
    if not quiet:
        _render_notes(results, console)
    if not quiet or vanished_words(results, report.comparison):
        _render_changes(report, console)
    if not quiet or _has_trouble(report):
        console.print()
    _render_end(report, console, folder)


def _has_trouble(report: Report) -> bool:
    """Whether anything stands above the last line of a quiet summary."""
    gone = vanished_words(report.results, report.comparison)
    return bool(cells.troubled(report.results) or gone)


# --------------------------------------------------------------- the matrix


def _render_matrix(results: RunResults, console: Console) -> None:
    for wide in (True, False):
        table = _table(results, console, wide=wide)
        options = console.options.update(width=10_000)
        if Measurement.get(console, options, table).maximum <= console.width:
            print_table(console, table)
            return
    # Too narrow for a table: a line for each kernel and suite.
    names = [_fit(name, console) for name in cells.suites(results)]
    for kernel, row in cells.rows(results):
        _print(console, [(shown(kernel), "bold")])
        for name, cell in zip(names, row, strict=True):
            if cell is not None:
                line = Text(f"  {name} ").append_text(_cell(cell, console))
                console.print(line, soft_wrap=True, highlight=False)


def _table(results: RunResults, console: Console, *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("kernel", no_wrap=True)
    if wide:
        table.add_column("release", no_wrap=True)
    for name in cells.suites(results):
        table.add_column(Text(_fit(name, console)), no_wrap=True)
    for kernel, row in cells.rows(results):
        texts = [Text(shown(kernel), "bold")]
        if wide:
            texts.append(Text(_fit(_release(kernel, console), console), "dim"))
        table.add_row(*texts, *(_cell(it, console) for it in row))
    return table


def _release(kernel: KernelRun, console: Console) -> str:
    if kernel.error:
        return f"{_sign(Outcome.ERROR, console)} did not come up"
    return " ".join(filter(None, (kernel.release, kernel.accelerator)))


def _cell(cell: cells.Cell | None, console: Console) -> Text:
    """Return "✓ 4/4" or "✗ 3/4": the worst outcome, and how many of them passed."""
    if cell is None:
        return Text("")
    text = f"{_sign(cell.worst, console)} {cell.counts}"
    if cell.run and cell.gaps:
        text += f" {_sign(Outcome.SKIPPED, console)}{cell.gaps}"
    return Text(text, LOOKS[cell.worst].style)


# ----------------------------------------------------------------- failures


def _render_groups(
    heading: str, groups: Sequence[Group], report: Report, console: Console
) -> None:
    console.print()
    _print(console, [(heading, "bold")])
    names = {kernel.id: shown(kernel) for kernel in report.results.kernels}
    for group in groups:
        _render_group(group, report, names, console)


def _render_group(
    group: Group, report: Report, names: Mapping[str, str], console: Console
) -> None:
    """Print what failed alike on several kernels, and what differs among them."""
    on = []
    for case in group.cases:
        change = report.comparison.change(case) if report.comparison else ""
        name = names.get(case.kernel, case.kernel)
        on.append(f"{name} ({change})" if change else name)
    _render_head(group.first.outcome, f"{', '.join(on)}: {group.name}", console)
    for kernels, why in _distinct(group, _why):
        _render_why(why, kernels, console)
    for kernels, more in _distinct(group, _more):
        _render_more(more, kernels, console)
    for kernels, cure in _distinct(
        group, lambda case: case.cure or output.where_to_look(case)
    ):
        _render_do(cure, kernels, console)
    for kernels, printed in _distinct(group, _printed):
        _render_printed(printed, kernels, console)


def _distinct(
    group: Group, told: Callable[[CaseResult], str]
) -> Iterator[tuple[str, str]]:
    """Yield what is told of a group's kernels, each once, with their names before it.

    The names are empty where the same is reported of all.
    """
    found: dict[str, list[str]] = {}
    for case in group.cases:
        found.setdefault(told(case), []).append(case.kernel)
    for text, kernels in found.items():
        yield (f" on {', '.join(kernels)}" if len(found) > 1 else ""), text


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


def _printed(case: CaseResult) -> str:
    """Return the last lines of what the command printed that failed."""
    lines: list[str] = []
    for stream in output.failed_streams(case):
        lines.append(f"{stream.title}:")
        lines += [f"  {it}" for it in output.last_lines(stream.text, _MOST_PRINTED)]
        lines += [f"  {stream.where}"] if stream.where else []
    return "\n".join(lines)


def _render_lost(kernel: KernelRun, results: RunResults, console: Console) -> None:
    count = sum(case.kernel == kernel.id for case in results.cases)
    cases = counted(count, "case", plural="cases")
    left = f"; {cases} did not run" if cases else ""
    what = f"{shown(kernel)} did not come up{left}"
    logs = f"see {kernel.id}/console.log and {kernel.id}/runner.log"
    _render_head(Outcome.ERROR, what, console)
    _render_why(kernel.error, "", console)
    _render_do(kernel.cure or logs, "", console)


def _render_head(outcome: Outcome, what: str, console: Console) -> None:
    sign = f"{_sign(outcome, console)} "
    parts = [(sign, LOOKS[outcome].style), (one_line(what), "bold")]
    _print(console, parts, indent="  ")


def _render_why(why: str, kernels: str, console: Console) -> None:
    first, *rest = clean(why).strip().splitlines() or [""]
    _print(console, [(f"why{kernels}: ", "dim"), (first, "")], indent=_INDENT)
    left = len(rest) - _MOST_LINES
    if left > 0:
        half = _MOST_LINES // 2
        rest[half:-half] = [f"[… {left} lines; see results.json]"]
    for line in rest:
        _print(console, [(line, "")], indent=_INDENT * 2)


def _render_more(more: str, kernels: str, console: Console) -> None:
    for line in more.splitlines():
        _print(console, [(f"and{kernels}: ", "dim"), (line, "")], indent=_INDENT)


def _render_printed(printed: str, kernels: str, console: Console) -> None:
    if printed and kernels:
        _print(console, [(f"printed{kernels}:", "dim")], indent=_INDENT)
    for line in printed.splitlines():
        _print(console, [(line, "dim")], indent=_INDENT)


def _render_do(cure: str, kernels: str, console: Console) -> None:
    label = f"do{kernels}: " if kernels else "do:  "
    _print(console, [(label, "dim"), (one_line(cure), "")], indent=_INDENT)


# ------------------------------------------------------------------- the end


def _render_failed_tests(results: RunResults, console: Console) -> None:
    if results.failed_tests:
        console.print()
        _print(console, [("Failed tests that run on no kernel", "bold")])
    for test in results.failed_tests:
        _render_head(Outcome.FAILED, test.nodeid, console)
        _render_why(test.message, "", console)


def _render_undone(results: RunResults, console: Console) -> None:
    if results.complete:
        return
    console.print()
    _print(console, [("The run ended before every planned case had a result", "bold")])
    for name, on in style.names(results.undone, _MOST_CHANGES):
        text = f"{on}: {name}" if on else name
        _print(console, [("did not run: ", "dim"), (text, "")], indent="  ")


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
    if vanished_words(report.results, comparison):
        _print(console, [("do:  ", "dim"), (VANISHED_CURE, "")], indent="  ")
    if comparison.not_run:
        names = ", ".join(comparison.not_run)
        _print(console, [("kernels not run: ", "dim"), (names, "")], indent="  ")
    for slower in comparison.slower[:_MOST_CHANGES]:
        took = f"{slower.before:.1f} s before, {slower.after:.1f} s now"
        name = f"{slower.kernel}: {slower.what}, {took}"
        _print(console, [("slower: ", "dim"), (name, "")], indent="  ")


def _render_end(report: Report, console: Console, folder: Path | None) -> None:
    results = report.results
    kernels = counted(len(results.kernels), "kernel", plural="kernels") or "no kernel"
    status = exit_status(results)
    # A gate that fails is red, whatever the cases that ran say.
    fails = report.status is ExitStatus.INCOMPATIBLE
    colour = VERDICTS[report.status if fails else status][1]
    parts = [
        (style.verdict(results), colour),
        (f"{', ' if checked_nothing(results) else ': '}{counts(results)}", ""),
    ]
    vanished = vanished_words(results, report.comparison)
    if vanished:
        parts.append((f"; {vanished}", VERDICTS[ExitStatus.INCOMPATIBLE][1]))
    if status is not report.status:
        words, colour = _GATES[report.status]
        parts.append((f"; {words} for {report.gate}", colour))
    trouble = results.count(Outcome.ERROR) or any(k.error for k in results.kernels)
    if trouble and status is not ExitStatus.COMPATIBLE:
        also = " too" if status is ExitStatus.INCOMPATIBLE else ""
        parts.append((f"; infrastructure failed{also}", "yellow"))
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
    for part, look in parts:
        text.append(_fit(part, console), look)
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
