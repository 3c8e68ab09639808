"""report.html: a run as one page that needs no network."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.errors import ExitStatus
from runner.failures.classes import CLASSES
from runner.reports import (
    cells,
    costcharts,
    foretold,
    neighbours,
    output,
    pagedata,
    repeat,
    style,
    support,
    templating,
    timeline,
)
from runner.reports.compare import (
    VANISHED_CURE,
    Comparison,
    Gate,
    gate_status,
    vanished_words,
)
from runner.reports.groups import Group, errors, failures
from runner.reports.release import Release
from runner.reports.style import BY_WEIGHT, LOOKS
from runner.results import (
    CaseResult,
    KernelRun,
    Mismatch,
    Outcome,
    RunResults,
    exit_status,
)

# Kinds of failures that are reported below the matrix, which has all of them.
_MOST_GROUPS = 100
# The script's files, in the order in which one builds on the other.
_SCRIPTS = ("data", "markdown", "state", "details", "grid", "main")
_MOST_BOUNDARIES = 100
# Programs, and different costs of each in the table.
_MOST_COSTS = 60
_MOST_KERNEL_COSTS = 20
# What preflight said, of each sort.
_MOST_FORETOLD = 60
# Kernels or cases in a list of names.
_MOST_NAMES = 20
# Of the statement of what works, before it is folded.
_MOST_LETTERS = 200
_MOST_MISMATCHES = 40

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
    places = pagedata.places(kernels, suites, results.cases)
    verdict = exit_status(results)
    judged = gate_status(results, gate, comparison)
    vanished = vanished_words(results, comparison)
    css, script = templating.style("report.css"), _script()
    rows = _rows(results, kernels)
    return templating.render(
        "report.html.j2",
        title=_title(results, release),
        style=Markup(css),
        script=Markup(script),
        style_hash=_hash(css),
        script_hash=_hash(script),
        results=results,
        tested=results.provenance,
        ci_run=_address(results.provenance.ci_run),
        started=style.date(results.started),
        duration=_seconds_in_words(results.duration),
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
        looks=[
            {**pagedata.look(it), "word": style.word_of_all(it, results)}
            for it in BY_WEIGHT
        ],
        phases=PHASES,
        rows=rows,
        any_time=any(row.bars for row in rows),
        times={it.kernel.id: it for it in timeline.by_kernel(results)},
        suite_counts=list(Counter(it.suite for it in results.cases).items()),
        class_counts=Counter(
            it.failure_class for it in results.cases if it.failure_class
        ).most_common(),
        kernel_counts=list(_kernel_counts(kernels)),
        boundaries=neighbours.boundaries(results),
        most_boundaries=_MOST_BOUNDARIES,
        foretold_counts=foretold.counts(results),
        foretold=foretold.findings(results),
        left_open=[
            ("Not predicted", foretold.not_predicted(results)),
            ("Not known without a boot", foretold.not_known(results)),
        ],
        costs=costcharts.by_program(results),
        most_costs=_MOST_COSTS,
        most_foretold=_MOST_FORETOLD,
        most_kernel_costs=_MOST_KERNEL_COSTS,
        shown=style.shown,
        lost=[kernel for kernel in results.kernels if kernel.error],
        # Cases that could not be run, by their kernels.
        errors=Counter(
            it.kernel for it in results.cases if it.outcome is Outcome.ERROR
        ),
        groups=groups[:_MOST_GROUPS],
        left_out=len(groups) - _MOST_GROUPS,
        # Places of a group's results in the script's matrix.
        numbers=lambda group: [places[case.key] for case in group.cases],
        differences=_differences,
        command=lambda group: _command(group, results),
        folded=pagedata.folded,
        look_of=lambda case: LOOKS[case.outcome],
        meaning=lambda name: CLASSES[name].meaning if name in CLASSES else "",
        where=pagedata.where,
        printed=output.failed_streams,
        most_names=_MOST_NAMES,
        most_letters=_MOST_LETTERS,
        most_mismatches=_MOST_MISMATCHES,
        error_sign=LOOKS[Outcome.ERROR].sign,
        data=pagedata.embedded(
            pagedata.data(
                kernels, suites, results.cases, comparison, results.selection.guest
            )
        ),
    )


def _script() -> str:
    """Return the files of the script as one, whose names nothing outside sees."""
    parts = (templating.own_text(f"report-{name}.js") for name in _SCRIPTS)
    return '"use strict";\n(() => {\n' + "".join(parts) + "})();\n"


def _title(results: RunResults, release: Release | None) -> str:
    """Return what tells two pages apart: the project, and the release or branch."""
    tested = results.provenance
    which = release.name if release else tested.tag or tested.branch
    words = " ".join(filter(None, (tested.project, which)))
    return f"Kernel matrix: {words}" if words else "Kernel matrix"


def _address(text: str) -> str:
    """Return an address that a page may link to; nothing for any other."""
    return text if text.startswith(("https://", "http://")) else ""


def _seconds_in_words(seconds: float) -> str:
    """Return "11.5 s", or "1 h 2 min"."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return (
        f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
    )


def _kernel_counts(kernels: Sequence[KernelRun]) -> Iterator[tuple[str, str, int]]:
    """Yield each family and tag: the filter's value, its name, and how many kernels."""
    families = Counter(neighbours.groups_of(kernels).values())
    if len(families) > 1:
        yield from ((name, name, count) for name, count in families.items())
    tags = Counter(tag for it in kernels for tag in it.tags)
    yield from ((f"@{tag}", f"@{tag}", count) for tag, count in tags.items())


def _differences(group: Group) -> list[tuple[str, Mismatch]]:
    """Return what differs on all kernels; what they have in common once."""
    found: dict[Mismatch, list[str]] = {}
    for case in group.cases:
        for mismatch in case.mismatches[: pagedata.MOST_MISMATCHES]:
            found.setdefault(mismatch, []).append(case.kernel)
    return [(_names(on), mismatch) for mismatch, on in found.items()]


def _names(kernels: Sequence[str]) -> str:
    more = len(kernels) - _MOST_NAMES
    return ", ".join(kernels[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _command(group: Group, results: RunResults) -> str:
    again = repeat.command(group.first, results.selection.guest)
    return again.on(",".join(group.kernels))


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
