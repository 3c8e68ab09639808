"""report.html: a run as one page that needs no network."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.errors import ExitStatus
from runner.reports import cells, output, pagedata, style, support, templating
from runner.reports.compare import (
    VANISHED_CURE,
    Comparison,
    Gate,
    gate_status,
    vanished_words,
)
from runner.reports.groups import errors, failures
from runner.reports.release import Release
from runner.reports.style import BY_WEIGHT, LOOKS
from runner.results import CaseResult, KernelRun, Outcome, RunResults, exit_status

# Kinds of failures that are reported below the matrix, which has all of them.
_MOST_GROUPS = 100
# Kernels of the matrix that are shown before a reader asks for more: browsers lay out
# a table of 50,000 cells in ten seconds and more.
_MOST_ROWS = 100
# Runs before the table is laid out, and says that a script will see to its rows.
_EARLY = 'document.documentElement.classList.add("scripted");'
# Kernels or cases in a list of names.
_MOST_NAMES = 20
# Of the statement of what works, before it is folded.
_MOST_LETTERS = 200
_MOST_MISMATCHES = 20

# Of a run's seconds; also what report.css colours.
PHASES = ("boot", "load", "trigger", "check")

# By what a reader must know first: sign, and the class that colours it.
_VERDICT_LOOKS = {
    ExitStatus.COMPATIBLE: Outcome.PASSED,
    ExitStatus.INCOMPATIBLE: Outcome.FAILED,
    ExitStatus.INFRASTRUCTURE: Outcome.ERROR,
}


@dataclass(frozen=True, kw_only=True)
class PhaseBar:
    """A phase in the picture of a kernel's time; both of 100."""

    name: str
    start: float
    width: float


@dataclass(frozen=True, kw_only=True)
class KernelRow:
    """A kernel in the matrix."""

    kernel: KernelRun
    # None where the suite has no case.
    cells: Sequence[cells.Cell | None]
    # Seconds of each phase, as in PHASES.
    seconds: tuple[float, ...]
    # As wide as the slowest kernel's are long.
    bars: tuple[PhaseBar, ...]

    @property
    def time_words(self) -> str:
        """Return "boot 3.1 s, load 0.2 s" for those who can't see the bars."""
        parts = zip(PHASES, self.seconds, strict=True)
        return ", ".join(f"{name} {took:.1f} s" for name, took in parts if took)


def render(
    results: RunResults,
    comparison: Comparison | None = None,
    release: Release | None = None,
    gate: Gate = Gate.ALL,
) -> str:
    """Return the page; with a comparison what changed, with a release its facts.

    What `gate` says of the run is reported where it may differ from the verdict.
    """
    kernels = _kernels(results)
    suites = cells.suites(results)
    # Without those that a lost kernel explains.
    groups = [*failures(results), *errors(results)]
    numbers = {id(case): number for number, case in enumerate(results.cases)}
    verdict = exit_status(results)
    judged = gate_status(results, gate, comparison)
    vanished = vanished_words(results, comparison)
    css, script = templating.own_text("report.css"), templating.own_text("report.js")
    return templating.render(
        "report.html.j2",
        title="Kernel matrix" if release is None else f"Kernel matrix: {release.name}",
        style=Markup(css),
        script=Markup(script),
        style_hash=_hash(css),
        script_hash=_hash(script),
        early=Markup(_EARLY),
        early_hash=_hash(_EARLY),
        results=results,
        verdict=style.verdict(results),
        undone=style.names(results.undone, _MOST_NAMES),
        gated="" if gate is Gate.ALL and not vanished else gate.value,
        vanished=vanished,
        vanished_cure=VANISHED_CURE,
        gate_look=pagedata.look(_VERDICT_LOOKS[judged]),
        passes=judged is ExitStatus.COMPATIBLE,
        verdict_look=pagedata.look(_VERDICT_LOOKS[verdict]),
        counts=style.counts(results),
        ranges=support.ranges(results),
        release=release,
        comparison=comparison,
        changes=_changes(comparison),
        suites=suites,
        looks=[pagedata.look(outcome) for outcome in BY_WEIGHT],
        phases=PHASES,
        rows=_rows(results, kernels),
        shown=style.shown,
        lost=[kernel for kernel in results.kernels if kernel.error],
        # Cases that could not be run, by their kernels.
        errors=Counter(
            it.kernel for it in results.cases if it.outcome is Outcome.ERROR
        ),
        groups=groups[:_MOST_GROUPS],
        left_out=len(groups) - _MOST_GROUPS,
        # Places of a group's cases in the run.
        numbers=lambda group: [numbers[id(case)] for case in group.cases],
        where=pagedata.where,
        printed=output.failed_streams,
        most_rows=_MOST_ROWS,
        most_names=_MOST_NAMES,
        most_letters=_MOST_LETTERS,
        most_mismatches=_MOST_MISMATCHES,
        error_sign=LOOKS[Outcome.ERROR].sign,
        data=pagedata.embedded(
            pagedata.data(kernels, suites, results.cases, comparison)
            | {"rows": _MOST_ROWS}
        ),
    )


def _hash(text: str) -> str:
    """Return a hash source of a Content-Security-Policy."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _kernels(results: RunResults) -> list[KernelRun]:
    """Return the kernels, and those that only cases know."""
    known = {kernel.id for kernel in results.kernels}
    strangers = dict.fromkeys(
        case.kernel for case in results.cases if case.kernel not in known
    )
    return [*results.kernels, *(KernelRun(id=id_) for id_ in strangers)]


def _rows(results: RunResults, kernels: Sequence[KernelRun]) -> list[KernelRow]:
    by_kernel = results.by_kernel()
    seconds = {it.id: _seconds(it, by_kernel[it.id]) for it in kernels}
    longest = max((sum(it) for it in seconds.values()), default=0.0)
    return [
        KernelRow(
            kernel=kernel,
            cells=row,
            seconds=seconds[kernel.id],
            bars=tuple(_bars(seconds[kernel.id], longest)),
        )
        for kernel, row in cells.rows(results, kernels)
    ]


def _seconds(kernel: KernelRun, cases: Sequence[CaseResult]) -> tuple[float, ...]:
    phases = [case.phases for case in cases]
    return (
        sum(kernel.boots) + sum(kernel.restores),
        sum(it.load for it in phases),
        sum(it.trigger for it in phases),
        sum(it.check for it in phases),
    )


def _bars(seconds: Sequence[float], longest: float) -> Iterator[PhaseBar]:
    start = 0.0
    for name, took in zip(PHASES, seconds, strict=True):
        if took > 0:
            width = 100 * took / longest
            yield PhaseBar(name=name, start=round(start, 2), width=round(width, 2))
            start += width


def _changes(comparison: Comparison | None) -> list[tuple[str, tuple[CaseResult, ...]]]:
    if comparison is None:
        return []
    return [
        ("Regressions", comparison.regressions),
        ("New failures", comparison.new_failures),
        ("Fixes", comparison.fixes),
        ("New gaps", comparison.new_gaps),
        ("Lost to infrastructure", comparison.lost),
        ("Vanished cases", comparison.vanished),
        ("New cases", comparison.new),
    ]
