"""When each kernel ran its cases, which overlap where several guests worked at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from runner.results import CaseResult, KernelRun, RunResults

# Two cases with less between them are one span: of 100, which is the whole run.
_GAP = 0.2
# The least that can be seen.
_THINNEST = 0.15


@dataclass(frozen=True, kw_only=True)
class TimeSpan:
    """Cases that follow each other; both of 100, which is the whole run."""

    start: float
    width: float


@dataclass(frozen=True, kw_only=True)
class KernelTime:
    """A kernel, and when it ran cases."""

    kernel: KernelRun
    spans: tuple[TimeSpan, ...]
    # Seconds from the run's start.
    began: float
    ended: float
    cases: int

    @property
    def words(self) -> str:
        """Return "10 cases, from 3.1 s to 9.0 s"."""
        some = "1 case" if self.cases == 1 else f"{self.cases} cases"
        return f"{some}, from {self.began:.1f} s to {self.ended:.1f} s"


def by_kernel(results: RunResults) -> list[KernelTime]:
    """Return the kernels of which it is known when they ran; none of old files."""
    start = _start(results)
    if start is None or results.duration <= 0:
        return []
    found = results.by_kernel()
    times = (_time(it, found[it.id], start, results.duration) for it in results.kernels)
    return [it for it in times if it is not None]


def _start(results: RunResults) -> float | None:
    try:
        began = datetime.fromisoformat(results.started)
    except ValueError:
        return None
    return (began if began.tzinfo else began.replace(tzinfo=UTC)).timestamp()


def _time(
    kernel: KernelRun, cases: Sequence[CaseResult], start: float, duration: float
) -> KernelTime | None:
    known = sorted(
        (it.began - start, it.began - start + it.duration)
        for it in cases
        # Clocks may be set meanwhile, and files edited.
        if it.began and it.began - start + 1 >= 0 and it.began - start < 2 * duration
    )
    if not known:
        return None
    merged: list[list[float]] = []
    for began, ended in known:
        if merged and began - merged[-1][1] < _GAP * duration / 100:
            merged[-1][1] = max(merged[-1][1], ended)
        else:
            merged.append([began, ended])
    return KernelTime(
        kernel=kernel,
        spans=tuple(_span(began, ended, duration) for began, ended in merged),
        began=max(0.0, known[0][0]),
        ended=max(ended for _, ended in known),
        cases=len(known),
    )


def _span(began: float, ended: float, duration: float) -> TimeSpan:
    start = min(100.0, max(0.0, 100 * began / duration))
    width = max(_THINNEST, 100 * (ended - began) / duration)
    return TimeSpan(start=round(start, 2), width=round(min(width, 100 - start), 2))
