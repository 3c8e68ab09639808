"""The matrix of kernels and suites, a cell for each pair."""

from collections.abc import Sequence
from dataclasses import dataclass

from runner.reports.style import BY_WEIGHT, LOOKS, counted, is_uncompared
from runner.results import CaseResult, KernelRun, Outcome, RunResults


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The cases of a suite on a kernel, in a few characters."""

    worst: Outcome
    passed: int
    # Cases that are no declared gaps.
    run: int
    gaps: int
    # Those of them that only had no other kernel to be compared with.
    uncompared: int = 0

    @property
    def counts(self) -> str:
        """Return "3/4", or the number of gaps when there is nothing else."""
        return f"{self.passed}/{self.run}" if self.run else str(self.gaps)

    @property
    def text(self) -> str:
        """Return "✗ 3/4", and how many gaps there are."""
        more = f" {LOOKS[Outcome.SKIPPED].sign}{self.gaps}"
        shown = f"{LOOKS[self.worst].sign} {self.counts}"
        return shown + (more if self.run and self.gaps else "")

    @property
    def words(self) -> str:
        """Return it for those who can't see it."""
        declared = self.gaps - self.uncompared
        skipped = (
            counted(declared, "declared gap", "declared gaps"),
            counted(self.uncompared, "case not compared", "cases not compared"),
        )
        run = f"{LOOKS[self.worst].word}: {self.passed} of {self.run} passed"
        return ", ".join(filter(None, (run if self.run else "", *skipped)))


def suites(results: RunResults) -> list[str]:
    """Return the suites' names, in the order of the run."""
    return list(dict.fromkeys(case.suite for case in results.cases))


def has_architectures(results: RunResults) -> bool:
    """Whether kernels are of more than one architecture."""
    return len({kernel.arch for kernel in results.kernels}) > 1


def rows(
    results: RunResults, kernels: Sequence[KernelRun] | None = None
) -> list[tuple[KernelRun, list[Cell | None]]]:
    """Return kernels, by default all, with a cell for each suite.

    None stands where a kernel has no case of a suite.
    """
    found: dict[tuple[str, str], list[CaseResult]] = {}
    for case in results.cases:
        found.setdefault((case.kernel, case.suite), []).append(case)
    names = suites(results)
    return [
        (kernel, [_cell(found.get((kernel.id, name), ())) for name in names])
        for kernel in (results.kernels if kernels is None else kernels)
    ]


def troubled(results: RunResults) -> set[str]:
    """Return the kernels that did not come up, or on which a case did not pass."""
    bad = (Outcome.FAILED, Outcome.ERROR)
    return {it.id for it in results.kernels if it.error} | {
        case.kernel for case in results.cases if case.outcome in bad
    }


def _cell(cases: Sequence[CaseResult]) -> Cell | None:
    if not cases:
        return None
    outcomes = [case.outcome for case in cases]
    gaps = outcomes.count(Outcome.SKIPPED)
    return Cell(
        worst=min(outcomes, key=BY_WEIGHT.index),
        passed=outcomes.count(Outcome.PASSED),
        run=len(cases) - gaps,
        gaps=gaps,
        uncompared=sum(map(is_uncompared, cases)),
    )
