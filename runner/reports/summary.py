"""The terminal's summary: kernels by suites, and what to do about each failure."""

import shlex
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from runner.errors import ExitStatus
from runner.reports import (
    agreement,
    cells,
    failure,
    foretold,
    loads,
    style,
    styled,
    support,
)
from runner.reports.compare import VANISHED_CURE, vanished_words
from runner.reports.criteria import Report
from runner.reports.folder import USUAL
from runner.reports.groups import Group, errors, failures
from runner.reports.style import (
    LOOKS,
    VERDICTS,
    counted,
    counts,
    shown,
)
from runner.results import (
    CaseResult,
    KernelRun,
    Outcome,
    RunResults,
    checked_nothing,
    exit_status,
)
from runner.text.tables import print_table

# Cases of each kind of change.
_MOST_CHANGES = 10

# What a gate says that does not say the same as the verdict.
_GATES = {
    ExitStatus.COMPATIBLE: ("passes the gate", "green"),
    ExitStatus.INCOMPATIBLE: ("fails the gate", "bold red"),
    ExitStatus.INFRASTRUCTURE: ("no verdict of the gate", "yellow"),
}


def render(
    report: Report,
    console: Console,
    folder: Path | None = None,
    *,
    quiet: bool = False,
    loaded: bool = False,
    explain: str = "",
) -> None:
    """Print a run's summary; `folder` is where its reports are.

    When `quiet`, only what failed and the last line. When `loaded`, also what the
    commands loaded that did not fail. `explain` is the command that says more of a
    failure; failures name it if it is not empty.
    """
    if not quiet:
        _render_matrix(report.results, console)
    more = _explained(report.results, folder, explain)
    body = _body(report, console, quiet=quiet, loaded=loaded, more=more)
    styled.print_text(console, body)
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
    names = [styled.fit(name, console) for name in cells.suites(results)]
    for kernel, row in cells.rows(results):
        styled.print_parts(console, [(support.title(kernel), "bold")], "")
        for name, cell in zip(names, row, strict=True):
            if cell is not None:
                line = Text(f"  {name} ").append_text(_cell(cell, console))
                console.print(line, soft_wrap=True, highlight=False)


def _table(results: RunResults, console: Console, *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("kernel", no_wrap=True)
    several = cells.has_architectures(results)
    if several:
        table.add_column("arch", no_wrap=True)
    if wide:
        table.add_column("release", no_wrap=True)
    for name in cells.suites(results):
        table.add_column(Text(styled.fit(name, console)), no_wrap=True)
    for kernel, row in cells.rows(results):
        # The release tells whose kernel it is.
        name = shown(kernel) if wide else support.title(kernel)
        texts = [Text(styled.fit(name, console), "bold")]
        if several:
            texts.append(Text(kernel.arch))
        if wide:
            texts.append(Text(styled.fit(_release(kernel, console), console), "dim"))
        table.add_row(*texts, *(_cell(it, console) for it in row))
    return table


def _release(kernel: KernelRun, console: Console) -> str:
    if kernel.error:
        return f"{styled.sign(Outcome.ERROR, console)} did not come up"
    return " ".join(filter(None, (kernel.release, kernel.accelerator)))


def _cell(cell: cells.Cell | None, console: Console) -> Text:
    """Return "✓ 4/4" or "✗ 3/4": the worst outcome, and how many of them passed."""
    if cell is None:
        return Text("")
    text = f"{styled.sign(cell.worst, console)} {cell.counts}"
    if cell.run and cell.gaps:
        text += f" {styled.sign(Outcome.SKIPPED, console)}{cell.gaps}"
    return Text(text, LOOKS[cell.worst].style)


# ----------------------------------------------------------------- failures


def _explained(results: RunResults, folder: Path | None, explain: str) -> str:
    """Return the command that explains a failure, with the first one as an example."""
    first = next(iter([*failures(results), *errors(results)]), None)
    if folder is None or first is None or not explain:
        return ""
    words = f"{explain} {shlex.quote(f'{first.name}@{first.kernels[0]}')}"
    return words if folder == USUAL else f"{words} --reports {shlex.quote(str(folder))}"


def _body(
    report: Report, console: Console, *, quiet: bool, loaded: bool, more: str
) -> str:
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

    return styled.template("summary.j2", failure.FILTERS).render(
        broken=errors(results),
        comparison=comparison,
        differences=loads.differences(results),
        disagreements=agreement.differences(results),
        loaded=_loaded(results) if loaded else [],
        failed=failures(results),
        looks=LOOKS,
        more=more,
        lost=[kernel for kernel in results.kernels if kernel.error],
        most_changes=_MOST_CHANGES,
        names=style.names,
        notes=_notes,
        quiet=quiet,
        results=results,
        sign=lambda outcome: styled.sign(outcome, console),
        title=title,
        undone=undone,
        vanished=vanished_words(results, comparison),
        vanished_cure=VANISHED_CURE,
    )


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
    left_out = foretold.not_predicted(results)
    left = foretold.by_text(
        cases, lambda it: filter(None, [it.log_words, it.left_words])
    )
    return [
        *((kernel.id, note) for kernel in results.kernels for note in kernel.notes),
        *(
            (str(it.key), it.message)
            for it in cases
            if it.outcome is Outcome.PASSED and it.message and not it.failure_class
        ),
        *((str(it.key), _tries(it)) for it in cases if it.flaky),
        *((str(it.key), it.used_guest_words) for it in cases if it.used_guest_words),
        *((_about(it), it.text) for it in left),
        *((_about(it), it.text) for it in foretold.findings(results)),
        *((_about(it), f"not predicted: {it.text}") for it in left_out),
    ]


def _tries(case: CaseResult) -> str:
    # What failed twice is not flaky.
    word = "flaky, " if case.outcome is Outcome.PASSED else ""
    return f"{word}{case.outcome} at the second try; at the first {case.flaky}"


def _about(it: foretold.SaidAlike) -> str:
    """Return "6.1, 6.12 task::state and 3 more"."""
    first, *others = it.names
    more = f" and {len(others)} more" if others else ""
    return f"{', '.join(it.kernels)} {first}{more}"


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
    misled = sum(bool(it.failed_in_used_guest) for it in results.cases)
    if misled:
        cases = counted(misled, "case", "cases")
        parts.append((f"; {cases} failed in a used guest only", "yellow"))
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
    if before := foretold.counts(results):
        parts.append((f"; {before}", ""))
    if folder is not None:
        page = folder / "report.html"
        link = f"link {page.absolute().as_uri()}" if page.exists() else ""
        parts += [("; reports: ", ""), (str(folder), link)]
    styled.print_parts(console, parts, "")
