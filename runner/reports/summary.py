"""The terminal's summary: kernels by suites, and what to do about each failure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from runner.errors import ExitStatus
from runner.reports.text import clean, one_line
from runner.results import CaseResult, KernelRun, Outcome, RunResults, exit_status

# Lines of a message, such as clang's, before it is cut.
_MOST_LINES = 6

_INDENT = "    "

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, kw_only=True)
class _Look:
    """How an outcome is shown; the sign tells it without the colour."""

    sign: str
    ascii_sign: str
    style: str


_LOOKS = {
    Outcome.FAILED: _Look(sign="✗", ascii_sign="X", style="bold red"),
    Outcome.ERROR: _Look(sign="!", ascii_sign="!", style="bold yellow"),
    Outcome.PASSED: _Look(sign="✓", ascii_sign="+", style="green"),
    Outcome.SKIPPED: _Look(sign="–", ascii_sign="-", style="dim"),  # noqa: RUF001
}
# The order above is that of what a reader must know first.
_BY_WEIGHT = tuple(_LOOKS)

_VERDICTS = {
    ExitStatus.COMPATIBLE: ("compatible", "bold green"),
    ExitStatus.INCOMPATIBLE: ("incompatible", "bold red"),
    ExitStatus.INFRASTRUCTURE: ("no verdict", "bold yellow"),
}


def render(results: RunResults, console: Console, folder: Path | None = None) -> None:
    """Print a run's summary; `folder` is where its reports are."""
    _render_matrix(results, console)
    gone = {kernel.id for kernel in results.kernels if kernel.error}
    _render_cases("Failures", Outcome.FAILED, results, results.cases, console)
    errors = [case for case in results.cases if case.kernel not in gone]
    lost = [kernel for kernel in results.kernels if kernel.error]
    if lost or any(case.outcome is Outcome.ERROR for case in errors):
        heading = "Infrastructure errors, which say nothing about the objects"
        _render_cases(heading, Outcome.ERROR, results, errors, console, always=True)
        for kernel in lost:
            _render_lost(kernel, results, console)
    _render_notes(results, console)
    _render_end(results, console, folder)


# --------------------------------------------------------------- the matrix


def _render_matrix(results: RunResults, console: Console) -> None:
    suites = list(dict.fromkeys(case.suite for case in results.cases))
    for wide in (True, False):
        table = _table(results, suites, console, wide=wide)
        options = console.options.update(width=10_000)
        if Measurement.get(console, options, table).maximum <= console.width:
            console.print(table)
            return
    # Too narrow for a table: a line for each kernel and suite.
    for kernel in results.kernels:
        _print(console, [(_name(kernel), "bold")])
        for suite in suites:
            cell = _cell(_cases(results, kernel, suite), console)
            if cell:
                line = Text(f"  {_fit(suite, console)} ").append_text(cell)
                console.print(line, soft_wrap=True, highlight=False)


def _table(
    results: RunResults, suites: Sequence[str], console: Console, *, wide: bool
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("kernel", no_wrap=True)
    if wide:
        table.add_column("release", no_wrap=True)
    for suite in suites:
        table.add_column(Text(_fit(suite, console)), no_wrap=True)
    for kernel in results.kernels:
        row = [Text(_name(kernel), "bold")]
        if wide:
            row.append(Text(_fit(_release(kernel, console), console), "dim"))
        row += [_cell(_cases(results, kernel, suite), console) for suite in suites]
        table.add_row(*row)
    return table


def _name(kernel: KernelRun) -> str:
    return kernel.id if kernel.required else f"{kernel.id} (not required)"


def _release(kernel: KernelRun, console: Console) -> str:
    if kernel.error:
        return f"{_sign(Outcome.ERROR, console)} did not come up"
    return " ".join(filter(None, (kernel.release, kernel.accelerator)))


def _cases(results: RunResults, kernel: KernelRun, suite: str) -> list[CaseResult]:
    return [
        case
        for case in results.cases
        if case.kernel == kernel.id and case.suite == suite
    ]


def _cell(cases: Sequence[CaseResult], console: Console) -> Text:
    """Return "✓ 4/4" or "✗ 3/4": the worst outcome, and how many of them passed."""
    if not cases:
        return Text("")
    outcomes = [case.outcome for case in cases]
    worst = next(outcome for outcome in _BY_WEIGHT if outcome in outcomes)
    gaps = outcomes.count(Outcome.SKIPPED)
    run = len(cases) - gaps
    shown = f"{outcomes.count(Outcome.PASSED)}/{run}" if run else str(gaps)
    if run and gaps:
        shown += f" {_sign(Outcome.SKIPPED, console)}{gaps}"
    return Text(f"{_sign(worst, console)} {shown}", _LOOKS[worst].style)


# ----------------------------------------------------------------- failures


@dataclass(frozen=True)
class _Reason:
    """What one entry tells; kernels that fail alike share it."""

    suite: str
    case: str
    why: str
    cure: str


def _render_cases(
    heading: str,
    outcome: Outcome,
    results: RunResults,
    cases: Sequence[CaseResult],
    console: Console,
    *,
    always: bool = False,
) -> None:
    names = {kernel.id: _name(kernel) for kernel in results.kernels}
    kernels: dict[_Reason, list[str]] = {}
    for case in cases:
        if case.outcome is outcome:
            name = names.get(case.kernel, case.kernel)
            kernels.setdefault(_reason(case), []).append(name)
    if not kernels and not always:
        return
    console.print()
    _print(console, [(heading, "bold")])
    for reason, on in kernels.items():
        what = f"{', '.join(on)}: {reason.suite}::{reason.case}"
        _render_entry(outcome, what, reason.why, reason.cure, console)


def _reason(case: CaseResult) -> _Reason:
    why = case.message or "no reason was given"
    if case.failure_class:
        why = f"[{case.failure_class}] {why}"
    more = [found for found in case.mismatches if str(found) != case.message]
    if more:
        plural = "" if len(more) == 1 else "es"
        why += f" (and {len(more)} more mismatch{plural})"
    return _Reason(suite=case.suite, case=case.case, why=why, cure=case.cure)


def _render_lost(kernel: KernelRun, results: RunResults, console: Console) -> None:
    count = sum(case.kernel == kernel.id for case in results.cases)
    cases = _count(count, "case", plural="cases") or "no case"
    what = f"{_name(kernel)}: did not come up; it leaves {cases} undone"
    logs = f"see {kernel.id}/console.log and {kernel.id}/runner.log"
    cure = kernel.cure or logs
    _render_entry(Outcome.ERROR, what, kernel.error, cure, console)


def _render_entry(
    outcome: Outcome, what: str, why: str, cure: str, console: Console
) -> None:
    look = _LOOKS[outcome]
    sign = _sign(outcome, console)
    _print(console, [(f"{sign} ", look.style), (one_line(what), "bold")], indent="  ")
    first, *more = clean(why).strip().splitlines() or [""]
    _print(console, [("why: ", "dim"), (first, "")], indent=_INDENT)
    for line in more[: _MOST_LINES - 1]:
        _print(console, [(line, "")], indent=_INDENT * 2)
    if len(more) >= _MOST_LINES:
        _print(console, [("…", "")], indent=_INDENT * 2)
    if cure:
        _print(console, [("do:  ", "dim"), (one_line(cure), "")], indent=_INDENT)


# ------------------------------------------------------------------- the end


def _render_notes(results: RunResults, console: Console) -> None:
    notes = [
        (f"{kernel.id}: ", note) for kernel in results.kernels for note in kernel.notes
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


def _render_end(results: RunResults, console: Console, folder: Path | None) -> None:
    console.print()
    counts = (
        _count(results.count(Outcome.PASSED), "passed"),
        _count(results.count(Outcome.FAILED), "failed"),
        _count(results.count(Outcome.ERROR), "error", plural="errors"),
        _count(results.count(Outcome.SKIPPED), "declared gap", plural="declared gaps"),
        _count(
            sum(len(case.not_available) for case in results.cases),
            "check not available",
            plural="checks not available",
        ),
    )
    kernels = _count(len(results.kernels), "kernel", plural="kernels") or "no kernel"
    status = exit_status(results)
    verdict, style = _VERDICTS[status]
    parts = [
        (verdict, style),
        (f": {', '.join(filter(None, counts)) or 'no case'}", ""),
    ]
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


def _count(number: int, word: str, *, plural: str = "") -> str:
    if not number:
        return ""
    return f"{number} {plural if plural and number != 1 else word}"


# ------------------------------------------------------------------ printing


def _sign(outcome: Outcome, console: Console) -> str:
    look = _LOOKS[outcome]
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
