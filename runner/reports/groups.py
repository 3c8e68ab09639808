"""Failures that are one: the same case and class on several kernels."""

from collections.abc import Iterable
from dataclasses import dataclass

from runner.reports.text import one_line
from runner.results import CaseResult, Outcome


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


def grouped(cases: Iterable[CaseResult], *outcomes: Outcome) -> list[Group]:
    """Return the cases of some outcomes, in their order, those alike together."""
    found: dict[tuple[object, ...], list[CaseResult]] = {}
    for case in cases:
        if case.outcome in outcomes:
            key = (
                case.outcome,
                case.suite,
                case.case,
                case.failure_class,
                case.source_path,
                case.source_line,
            )
            found.setdefault(key, []).append(case)
    return [Group(cases=tuple(it)) for it in found.values()]
