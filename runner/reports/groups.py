"""Failures that are one: the same case and class on several kernels."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.reports.text import one_line
from runner.results import CaseResult, Outcome, RunResults

if TYPE_CHECKING:
    from runner.reports.compare import Comparison


@dataclass(frozen=True, kw_only=True)
class Group:
    """Results of a case that failed alike; their values may differ."""

    # One for each kernel.
    cases: tuple[CaseResult, ...]

    @property
    def first(self) -> CaseResult:
        """The one to show."""
        return self.cases[0]

    @property
    def name(self) -> str:
        """Return SUITE::CASE."""
        return f"{self.first.suite}::{self.first.case}"

    @property
    def kernels(self) -> tuple[str, ...]:
        """The ids of the kernels."""
        return tuple(case.kernel for case in self.cases)

    @property
    def why(self) -> str:
        """Return the first one's message."""
        return self.first.message or "no reason was given"

    @property
    def line(self) -> int:
        """Return the source's line, the first one when nothing says."""
        return self.first.source_line or 1

    @property
    def title(self) -> str:
        """Return one line: what failed, where."""
        return one_line(f"{self.name} on {', '.join(self.kernels)}")


def failures(
    results: RunResults, comparison: "Comparison | None" = None
) -> list[Group]:
    """Return what failed; with a comparison, what it has not before comes first."""
    found = grouped(results.cases, Outcome.FAILED)
    if comparison is not None:
        found.sort(key=lambda it: comparison.weight(it.cases))
    return found


def errors(results: RunResults) -> list[Group]:
    """Return the cases without a verdict, but for those of kernels that are lost."""
    gone = {kernel.id for kernel in results.kernels if kernel.error}
    alive = (case for case in results.cases if case.kernel not in gone)
    return grouped(alive, Outcome.ERROR)


def grouped(cases: Iterable[CaseResult], outcome: Outcome) -> list[Group]:
    """Return the cases of an outcome, in their order, those alike together."""
    found: dict[tuple[object, ...], list[CaseResult]] = {}
    for case in cases:
        if case.outcome is outcome:
            key = (
                case.suite,
                case.case,
                case.failure_class,
                case.source_path,
                case.source_line,
                case.is_excused,
            )
            found.setdefault(key, []).append(case)
    return [Group(cases=tuple(it)) for it in found.values()]
