"""The terminal's summary: kernels by suites, and what to do about each failure."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from runner.errors import ExitStatus
from runner.reports import agreement, cells, loads, output, style, support, templating
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
# Lines of what a command loaded, where it failed.
_MOST_LOADED = 12

# Cases of each kind of change.
_MOST_CHANGES = 10

# What a gate says that does not say the same as the verdict.
_GATES = {
    ExitStatus.COMPATIBLE: ("passes the gate", "green"),
    ExitStatus.INCOMPATIBLE: ("fails the gate", "bold red"),
    ExitStatus.INFRASTRUCTURE: ("no verdict of the gate", "yellow"),
}

_WORD = re.compile(r"\S+")
# Around the style and the text of a part; a line's end within it.
_BEGIN, _MIDDLE, _END, _LINE_END = "\x01", "\x02", "\x03", "\x04"
_MARKS = re.compile("[\x01-\x04]")


def render(
    report: Report,
    console: Console,
    folder: Path | None = None,
    *,
    quiet: bool = False,
    loaded: bool = False,
) -> None:
    """Print a run's summary; `folder` is where its reports are.

    When `quiet`, only what failed and the last line. When `loaded`, also what the
    commands loaded that did not fail.
    """
    if not quiet:
        _render_matrix(report.results, console)
    for line in _body(report, console, quiet=quiet, loaded=loaded).split("\n")[:-1]:
        if line:
            _print(console, *_parsed(line))
        else:
            console.print()
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
        _print(console, [(support.title(kernel), "bold")], "")
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
        # The release tells whose kernel it is.
        name = shown(kernel) if wide else support.title(kernel)
        texts = [Text(_fit(name, console), "bold")]
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


def _body(report: Report, console: Console, *, quiet: bool, loaded: bool) -> str:
    results, comparison = report.results, report.comparison
    shown_as = {kernel.id: shown(kernel) for kernel in results.kernels}
    cases = Counter(case.kernel for case in results.cases)

    def title(group: Group) -> str:
        on = []
        for case in group.cases:
            change = comparison.change(case) if comparison else ""
            name = shown_as.get(case.kernel, case.kernel)
            on.append(f"{name} ({change})" if change else name)
        return f"{', '.join(on)}: {group.name}"

    def undone(kernel: KernelRun) -> str:
        left = counted(cases[kernel.id], "case", "cases")
        return f"; {left} did not run" if left else ""

    return _template().render(
        broken=errors(results),
        comparison=comparison,
        differences=loads.differences(results),
        disagreements=agreement.differences(results),
        loaded=_loaded(results) if loaded else [],
        failed=failures(results),
        looks=LOOKS,
        lost=[kernel for kernel in results.kernels if kernel.error],
        most_changes=_MOST_CHANGES,
        names=style.names,
        notes=_notes,
        quiet=quiet,
        results=results,
        sign=lambda outcome: _sign(outcome, console),
        title=title,
        undone=undone,
        vanished=vanished_words(results, comparison),
        vanished_cure=VANISHED_CURE,
    )


@cache
def _template() -> Template:
    filters: dict[str, Callable[..., object]] = {
        "bold": lambda text: _marked(text, "bold"),
        "dim": lambda text: _marked(text, "dim"),
        "distinct": _distinct,
        "loaded_lines": _loaded_lines,
        "mark": _marked,
        "one_line": one_line,
        "plain": lambda text: _marked(text, ""),
        "shortened": _shortened,
        "shown": shown,
    }
    environment = templating.of_text(filters, finalize=lambda it: Markup(it))
    return environment.get_template("summary.j2")


def _marked(text: str, look: str) -> Markup:
    """Return a part of a line with its style, between characters that no text has."""
    kept = _MARKS.sub("", text).replace("\n", _LINE_END)
    return Markup(f"{_BEGIN}{look}{_MIDDLE}{kept}{_END}")


def _parsed(line: str) -> tuple[list[tuple[str, str]], str]:
    """Return a line's parts, each with its style, and its indent."""
    indent = line[: len(line) - len(line.lstrip(" "))]
    parts = [it.partition(_MIDDLE) for it in line.strip(" ").split(_END) if it]
    return [
        (text.replace(_LINE_END, "\n"), look.removeprefix(_BEGIN))
        for look, _, text in parts
    ], indent


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


def _printed(case: CaseResult) -> str:
    """Return the last lines of what the command printed that failed."""
    lines: list[str] = []
    for stream in output.failed_streams(case):
        lines.append(f"{stream.title}:")
        lines += [f"  {it}" for it in output.last_lines(stream.text, _MOST_PRINTED)]
        lines += [f"  {stream.where}"] if stream.where else []
    return "\n".join(lines)


_OF_CASE: Mapping[str, Callable[[CaseResult], str]] = {
    "why": _why,
    "more": _more,
    "do": lambda case: case.cure or output.where_to_look(case),
    "printed": _printed,
}


def _shortened(text: str) -> list[str]:
    """Return a message's lines, without the middle of many."""
    first, *rest = clean(text).strip().splitlines() or [""]
    left = len(rest) - _MOST_LINES
    if left > 0:
        half = _MOST_LINES // 2
        rest[half:-half] = [f"[… {left} lines; see results.json]"]
    return [first, *rest]


def _loaded(results: RunResults) -> list[tuple[str, list[str]]]:
    """Return what each case's command loaded, where no failure lists it."""
    return [
        (str(it.key), loads.lines(it))
        for it in results.cases
        if it.recorded is not None and it.outcome is not Outcome.FAILED
    ]


def _notes(results: RunResults) -> list[tuple[str, str]]:
    """Return what else to know, each with the kernel or case that it is about."""
    cases = results.cases
    return [
        *((kernel.id, note) for kernel in results.kernels for note in kernel.notes),
        *(
            (str(it.key), it.message)
            for it in cases
            if it.outcome is Outcome.PASSED and it.message and not it.failure_class
        ),
        *(
            (
                str(it.key),
                f"flaky, {it.outcome} at the second try; at the first {it.flaky}",
            )
            for it in cases
            if it.flaky
        ),
    ]


# ------------------------------------------------------------------- the end


def _render_end(report: Report, console: Console, folder: Path | None) -> None:
    results = report.results
    kernels = counted(len(results.kernels), "kernel", "kernels") or "no kernel"
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
    _print(console, parts, "")


# ------------------------------------------------------------------ printing


def _sign(outcome: Outcome, console: Console) -> str:
    look = LOOKS[outcome]
    return look.ascii_sign if console.options.ascii_only else look.sign


def _fit(text: str, console: Console) -> str:
    """Return text with only what the console's encoding has."""
    if not console.options.ascii_only:
        return clean(text)
    return clean(text).replace("…", "...").encode("ascii", "replace").decode()


def _print(console: Console, parts: Sequence[tuple[str, str]], indent: str) -> None:
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
