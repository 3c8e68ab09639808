"""Pictures for READMEs: a badge, and the matrix."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.errors import ExitStatus
from runner.reports import looks, support, templating
from runner.reports.looks import LOOKS, VERDICTS, Cell
from runner.reports.text import one_line
from runner.results import KernelRun, Outcome, RunResults, exit_status

_LABEL = "kernels"
# White letters on them have a contrast of 4.5 and more.
_COLOURS = {
    ExitStatus.COMPATIBLE: "#1a7f37",
    ExitStatus.INCOMPATIBLE: "#b62324",
    ExitStatus.INFRASTRUCTURE: "#7a5a00",
}
# A badge that is wider says less.
_MOST_LETTERS = 48

# Pixels of a letter: of 11 px Verdana on average, of 13 px monospace.
_BADGE_LETTER = 6.6
_LETTER = 7.9
_LINE, _GAP, _PADDING = 24, 4, 8
_SPACE = 12

# What a picture holds legibly; the page has the rest.
_MOST_KERNELS = 60
_MOST_SUITES = 16


@dataclass(frozen=True, kw_only=True)
class _Text:
    x: int
    y: int
    text: str


@dataclass(frozen=True, kw_only=True)
class _Box(_Text):
    width: int
    height: int
    worst: Outcome
    # What a reader is told, who sees no picture.
    title: str


def badge(results: RunResults) -> str:
    """Return an SVG badge: which kernels work, in the colour of the verdict."""
    verdict = exit_status(results)
    statement = one_line(support.ranges(results).statement)
    if verdict is not ExitStatus.COMPATIBLE:
        statement = VERDICTS[verdict][0] if statement == "none" else statement
    if not results.complete:
        statement = looks.incomplete(results)
    message = _short(statement, _MOST_LETTERS)
    left = round(len(_LABEL) * _BADGE_LETTER) + 12
    return templating.render(
        "badge.svg.j2",
        label=_LABEL,
        message=message,
        left=left,
        width=left + round(len(message) * _BADGE_LETTER) + 12,
        colour=_COLOURS[verdict],
    )


def matrix(results: RunResults) -> str:
    """Return an SVG picture of kernels by suites, light or dark as its reader is.

    Kernels and suites beyond what is legible are left out, and it says so.
    """
    suites = looks.suites(results)
    kernels = _shown(results)
    cells = looks.by_cell(results)
    rows = [
        [looks.cell(cells.get((it.id, suite), ())) for suite in suites[:_MOST_SUITES]]
        for it in kernels
    ]
    names = [_name(kernel) for kernel in kernels]
    heads = ["kernel", *(_short(one_line(it), 24) for it in suites[:_MOST_SUITES])]
    columns = [
        names,
        *(
            [cell.text if (cell := row[n]) else "" for row in rows]
            for n in range(len(heads) - 1)
        ),
    ]
    widths = [
        round(max(map(len, [*texts, head])) * _LETTER) + 2 * _PADDING
        for texts, head in zip(columns, heads, strict=True)
    ]
    starts = [_SPACE + sum(widths[:n]) + n * _GAP for n in range(len(widths))]
    top = _SPACE + _LINE
    notes = list(_notes(results, kernels, suites))
    bottom = top + len(rows) * (_LINE + _GAP)
    title = one_line(
        f"{looks.verdict(results)}: {looks.counts(results)}; "
        f"works on {support.ranges(results).statement}"
    )
    texts = [
        *(
            _Text(x=x + _PADDING, y=_SPACE + 16, text=text)
            for x, text in zip(starts, heads, strict=True)
        ),
        *(
            _Text(x=_SPACE + _PADDING, y=_row(top, n) + 16, text=text)
            for n, text in enumerate(names)
        ),
    ]
    small = [
        _Text(x=_SPACE + _PADDING, y=bottom + 18 + n * _LINE, text=text)
        for n, text in enumerate([title, *notes])
    ]
    right = starts[-1] + widths[-1]
    longest = max(round(len(it.text) * _LETTER) + it.x for it in small)
    return templating.render(
        "matrix.svg.j2",
        title=title,
        heads=texts,
        small=small,
        cells=list(_boxes(kernels, suites, rows, starts, widths, top)),
        width=max(right, longest) + _SPACE,
        height=bottom + len(small) * _LINE + _SPACE,
    )


def _boxes(
    kernels: Sequence[KernelRun],
    suites: Sequence[str],
    rows: Sequence[Sequence[Cell | None]],
    starts: Sequence[int],
    widths: Sequence[int],
    top: int,
) -> Iterator[_Box]:
    for n, (kernel, row) in enumerate(zip(kernels, rows, strict=True)):
        for column, cell in enumerate(row):
            if cell is not None:
                yield _Box(
                    x=starts[column + 1],
                    y=_row(top, n),
                    width=widths[column + 1],
                    height=_LINE,
                    worst=cell.worst,
                    text=cell.text,
                    title=one_line(f"{kernel.id}, {suites[column]}: {cell.words}"),
                )


def _row(top: int, number: int) -> int:
    return top + number * (_LINE + _GAP)


def _shown(results: RunResults) -> list[KernelRun]:
    """Return the kernels to show: all, or those with trouble before the others."""
    kernels = list(results.kernels)
    if len(kernels) <= _MOST_KERNELS:
        return kernels
    bad = {
        case.kernel
        for case in results.cases
        if case.outcome in (Outcome.FAILED, Outcome.ERROR)
    }
    first = sorted(kernels, key=lambda it: it.id not in bad and not it.error)
    chosen = {it.id for it in first[:_MOST_KERNELS]}
    return [it for it in kernels if it.id in chosen]


def _notes(
    results: RunResults, kernels: Sequence[KernelRun], suites: Sequence[str]
) -> Iterator[str]:
    if len(kernels) < len(results.kernels):
        yield f"and {len(results.kernels) - len(kernels)} more kernels"
    if len(suites) > _MOST_SUITES:
        yield f"and {len(suites) - _MOST_SUITES} more suites"


def _name(kernel: KernelRun) -> str:
    sign = f"{LOOKS[Outcome.ERROR].sign} " if kernel.error else ""
    return sign + _short(one_line(looks.shown(kernel)), 40)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
