"""Pictures for READMEs: a badge, and the matrix."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.errors import ExitStatus
from runner.reports import cells, style, support, templating
from runner.reports.style import LOOKS, VERDICTS
from runner.reports.support import Support
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
# Around the text of a cell, and around the whole; the template places what is within.
_PADDING, _SPACE = 8, 12
# From the top of a row to the next one's, and from column to column.
_LINE, _GAP = 24, 4

# What a picture holds legibly; the page has the rest.
_MOST_KERNELS = 60
_MOST_SUITES = 16


@dataclass(frozen=True, kw_only=True)
class Badge:
    """What a badge says: a label, a message, and the colour behind it."""

    label: str
    message: str
    # "#1a7f37".
    colour: str


def badge(results: RunResults) -> str:
    """Return an SVG badge: which kernels work, in the colour of the verdict."""
    return drawn(badge_of(results, _LABEL))


def badge_of(results: RunResults, label: str) -> Badge:
    """Return what a badge of a run says; `label` is what its kernels are called."""
    verdict = exit_status(results)
    ranges = support.ranges(results)
    statement = one_line(ranges.statement)
    if not ranges.minimum and verdict is ExitStatus.COMPATIBLE:
        # Each kernel has a failure that is known to be flaky.
        verdict = ExitStatus.INFRASTRUCTURE
    if verdict is ExitStatus.INCOMPATIBLE:
        statement = _failing(ranges, label) or VERDICTS[verdict][0]
    elif not ranges.minimum:
        statement = VERDICTS[verdict][0]
    if not results.complete:
        statement = style.incomplete(results)
    message = _short(statement.removeprefix(f"{label} "), _MOST_LETTERS)
    return Badge(label=label, message=message, colour=_COLOURS[verdict])


def _failing(ranges: support.Ranges, label: str) -> str:
    """Return "fails on 6.1, 6.12": what works would read as broken, on red.

    Where that is too long, how many kernels work; nothing where none fails.
    """
    required = [it for it in ranges.tested if it.kernel.required]
    fails = [it for it in required if it.support is Support.FAILS]
    if not fails:
        return ""
    if len(fails) == len(required) > 1:
        return f"fails on all {len(fails)}"
    several = len(support.by_arch(ranges.tested)) > 1
    names = dict.fromkeys(
        f"{it.arch} {it.shown}" if several else it.shown.removeprefix(f"{label} ")
        for it in fails
    )
    named = one_line(", ".join(names))
    words = f"fails on {named}"
    if len(words) <= _MOST_LETTERS:
        return words
    return f"fails on {len(fails)} of {len(required)}"


def drawn(badge: Badge) -> str:
    """Return a badge as SVG."""
    left = round(len(badge.label) * _BADGE_LETTER) + 12
    return templating.render(
        "badge.svg.j2",
        label=badge.label,
        message=badge.message,
        left=left,
        width=left + round(len(badge.message) * _BADGE_LETTER) + 12,
        colour=badge.colour,
    )


def matrix(results: RunResults) -> str:
    """Return an SVG picture of kernels by suites, light or dark as its reader is.

    Kernels and suites beyond what is legible are left out, and it says so.
    """
    suites = cells.suites(results)
    kernels = _shown(results)
    rows = [row[:_MOST_SUITES] for _, row in cells.rows(results, kernels)]
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
    title = one_line(
        f"{style.verdict(results)}: {style.counts(results)}; "
        f"works on {support.ranges(results).statement}"
    )
    small = [title, _about(results), *_notes(results, kernels, suites)]
    longest = max(round(len(it) * _LETTER) for it in small) + _SPACE + _PADDING
    bottom = _SPACE + _LINE + len(rows) * (_LINE + _GAP)
    return templating.render(
        "matrix.svg.j2",
        title=title,
        heads=heads,
        names=names,
        ids=[kernel.id for kernel in kernels],
        suites=suites,
        rows=rows,
        small=small,
        starts=starts,
        widths=widths,
        bottom=bottom,
        width=max(starts[-1] + widths[-1], longest) + _SPACE,
        height=bottom + len(small) * _LINE + _SPACE,
        one_line=one_line,
    )


def _about(results: RunResults) -> str:
    """Return "team/probe main, 29 Nov 2026, 18:34 UTC"."""
    tested = results.provenance
    words = " ".join(filter(None, (tested.project, tested.tag or tested.branch)))
    return one_line(", ".join(filter(None, (words, style.date(results.started)))))


def _shown(results: RunResults) -> list[KernelRun]:
    """Return the kernels to show: all, or those with trouble before the others."""
    kernels = list(results.kernels)
    if len(kernels) <= _MOST_KERNELS:
        return kernels
    bad = cells.troubled(results)
    first = sorted(kernels, key=lambda it: it.id not in bad)
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
    return sign + _short(one_line(support.title(kernel)), 40)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
