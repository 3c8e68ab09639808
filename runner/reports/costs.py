"""What programs cost, held against the verifier's limit and against an earlier run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from runner.errors import UsageError
from runner.failures.classes import COST_GROWN, COST_NEAR_LIMIT, FailureClass
from runner.results import CaseResult, Outcome, ProgramCost, RunResults

# Less is no growth that anybody has to look at: a program of 30 instructions gets 40.
_LEAST = 1000

# What grew by more is told as a multiple.
_MOST_PERCENT = 900

# A program's costs in a run, by kernel, suite, case and program.
_Key = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class CostLimits:
    """When costs fail a case that passed otherwise; in percent."""

    # Of the instructions that the verifier may process.
    share: float = 85
    # By which they may grow from the baseline to this run.
    growth: float = 20

    def __post_init__(self) -> None:
        if not 0 < self.share <= 100:
            raise UsageError(
                f"--cost-limit {self.share:g}: must be more than 0, and at most 100",
                hint="it is a percentage of what the verifier may process",
            )
        if not 0 <= self.growth <= 10_000:
            raise UsageError(
                f"--cost-growth {self.growth:g}: must be between 0 and 10000",
                hint="it is a percentage: 20 lets 1,000 instructions become 1,200",
            )


@dataclass(frozen=True, kw_only=True)
class Grown:
    """A program that the verifier has more work with than in an earlier run."""

    suite: str
    program: str
    # Instructions processed.
    before: int
    after: int
    # On which this is so, with just these numbers.
    kernels: tuple[str, ...]

    @property
    def words(self) -> str:
        """Return "379 → 1,500 instructions (+296 %)"."""
        return _growth(self.before, self.after)


def grown(baseline: RunResults, results: RunResults) -> tuple[Grown, ...]:
    """Return the programs that cost more than in an earlier run, the largest first.

    Growth by fewer than 1,000 instructions is left out.
    """
    before = _known(baseline.cases)
    kernels: dict[tuple[str, str, int, int], dict[str, None]] = {}
    for key, after in _known(results.cases).items():
        kernel, suite, _, program = key
        was = before.get(key)
        if was is not None and after - was >= _LEAST:
            kernels.setdefault((suite, program, was, after), {})[kernel] = None
    found = [
        Grown(suite=suite, program=program, before=was, after=after, kernels=(*on,))
        for (suite, program, was, after), on in kernels.items()
    ]
    return tuple(sorted(found, key=lambda it: it.before - it.after))


def without_baseline(baseline: RunResults, results: RunResults) -> tuple[str, ...]:
    """Return the programs of cases that both runs have, whose cost only this one has.

    They may be new, or have another name. "task on_open" is a program of a suite.
    """
    before = _known(baseline.cases)
    cases = {it.key for it in baseline.cases}
    found = (
        f"{suite} {program}"
        for kernel, suite, case, program in _known(results.cases)
        if (kernel, suite, case) in cases
        and (kernel, suite, case, program) not in before
    )
    return tuple(dict.fromkeys(found))


def has_any(results: RunResults) -> bool:
    """Whether it is known of any program how many instructions were processed."""
    return bool(_known(results.cases))


def judged(
    results: RunResults, limits: CostLimits, baseline: RunResults | None
) -> RunResults:
    """Return a run in which cases fail whose programs cost too much.

    Only cases that passed: others have failed of something that counts more.
    """
    before = {} if baseline is None else _known(baseline.cases)
    judge = partial(_judged, limits=limits, before=before)
    return results.model_copy(update={"cases": tuple(map(judge, results.cases))})


def _judged(
    case: CaseResult, limits: CostLimits, before: Mapping[_Key, int]
) -> CaseResult:
    if case.outcome is not Outcome.PASSED:
        return case
    near = list(_near_limit(case.cost, limits))
    if near:
        return _failed(case, COST_NEAR_LIMIT, near)
    more = list(_more_than_allowed(case, limits, before))
    return _failed(case, COST_GROWN, more) if more else case


def _failed(
    case: CaseResult, failure: FailureClass, words: Sequence[str]
) -> CaseResult:
    update = {
        "outcome": Outcome.FAILED,
        "message": "; ".join(words),
        "failure_class": failure.name,
        "cure": failure.cure,
    }
    return case.model_copy(update=update)


def _near_limit(costs: Iterable[ProgramCost], limits: CostLimits) -> Iterator[str]:
    for cost in costs:
        if cost.share is not None and cost.share * 100 >= limits.share:
            yield (
                f"{cost.program}: the verifier processes {cost.verified_insns:,} of "
                f"{cost.insns_limit:,} instructions ({cost.share * 100:.0f} %; allowed "
                f"are less than {limits.share:g} %)"
            )


def _more_than_allowed(
    case: CaseResult, limits: CostLimits, before: Mapping[_Key, int]
) -> Iterator[str]:
    for key, after in _known([case]).items():
        was = before.get(key)
        if was is None or after - was < _LEAST:
            continue
        if after > was * (1 + limits.growth / 100):
            yield (
                f"{key[-1]}: the verifier processes {_growth(was, after)}; allowed "
                f"are {limits.growth:g} % more than in the baseline"
            )


def _growth(before: int, after: int) -> str:
    more = (after - before) / before * 100
    words = f"+{more:.0f} %" if more < _MOST_PERCENT else f"{after / before:.0f} times"
    return f"{before:,} → {after:,} instructions ({words})"


def _known(cases: Iterable[CaseResult]) -> dict[_Key, int]:
    """Return the processed instructions that are known, and are not 0."""
    return {
        (case.kernel, case.suite, case.case, cost.program): cost.verified_insns
        for case in cases
        for cost in case.cost
        if cost.verified_insns
    }
