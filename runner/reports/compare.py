"""A run compared with an earlier one: what broke, was fixed, is new or vanished."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from runner.errors import ExitStatus
from runner.reports import costs
from runner.reports.costs import Grown
from runner.reports.style import BY_WEIGHT, counted
from runner.results import CaseResult, KernelRun, Outcome, RunResults, exit_status

# A kernel is slower if it takes this many times as long as the pace of the whole run
# explains, and this many seconds more. Guests without KVM on a shared machine differ by
# a factor of two from run to run; the whole run's pace is the median over its cases.
_FACTOR = 2.0
_SECONDS = 5.0
# Shorter times do not show a pace.
_MEASURABLE = 0.1

# Kernel, and SUITE::CASE.
_Key = tuple[str, str]
# What was fine before: a declared gap that is a failure now is a regression, too.
_FINE = (Outcome.PASSED, Outcome.SKIPPED)
# Of several cases that became one, the best outcome is what it must not fall behind.
_BEST = (Outcome.PASSED, Outcome.SKIPPED, Outcome.FAILED, Outcome.ERROR)

# What a failure is that the earlier run does not have.
REGRESSION = "regression"
NEW_FAILURE = "new failure"

# What a reader can do about vanished cases.
VANISHED_CURE = (
    "If they were renamed, list the old names with `was:` in suite.yaml. If they "
    "were removed, or you left them out (-k, --lf, --suite), give --allow-vanished."
)


class Gate(StrEnum):
    """Which failures fail a pull request."""

    ALL = "all"
    # Those of cases that an earlier run had without a failure, or did not have.
    REGRESSIONS = "regressions"


@dataclass(frozen=True, kw_only=True)
class Slower:
    """A kernel that takes longer than it did."""

    kernel: str
    # "boot" or "cases".
    what: str
    # Seconds.
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What became of an earlier run's cases."""

    # When the earlier run was started.
    baseline: str
    regressions: tuple[CaseResult, ...] = ()
    fixes: tuple[CaseResult, ...] = ()
    # Passed before; now the suite declares a gap.
    new_gaps: tuple[CaseResult, ...] = ()
    # Had a verdict before, and none now, because of infrastructure.
    lost: tuple[CaseResult, ...] = ()
    # Those that the earlier run had no verdict on, failures among them.
    new: tuple[CaseResult, ...] = ()
    # The earlier results of cases that are gone, though their kernel was run.
    vanished: tuple[CaseResult, ...] = ()
    # Kernels of the earlier run that were not run now.
    not_run: tuple[str, ...] = ()
    slower: tuple[Slower, ...] = ()
    # Programs that the verifier has more work with, the largest growth first.
    grown: tuple[Grown, ...] = ()
    # Programs whose cost the earlier run does not have, though it has their cases; not
    # told of a run that has no costs at all.
    not_costed: tuple[str, ...] = ()
    # Whether gates accept vanished cases, and failures of cases that are new.
    allow_vanished: bool = False
    allow_new_failures: bool = False

    @cached_property
    def _regressed(self) -> frozenset[_Key]:
        return frozenset(map(_key, self.regressions))

    @cached_property
    def _new(self) -> frozenset[_Key]:
        return frozenset(map(_key, self.new))

    @property
    def new_failures(self) -> tuple[CaseResult, ...]:
        """Failures of cases that the earlier run had no verdict on."""
        return tuple(it for it in self.new if it.outcome is Outcome.FAILED)

    def is_regression(self, case: CaseResult) -> bool:
        """Whether a case of this run is one of the regressions."""
        return _key(case) in self._regressed

    def is_new_failure(self, case: CaseResult) -> bool:
        """Whether a failure of this run is none that the earlier one had."""
        return self.is_regression(case) or _key(case) in self._new

    def change(self, case: CaseResult) -> str:
        """Return what a failure of this run is: REGRESSION, NEW_FAILURE, or nothing."""
        if case.outcome is not Outcome.FAILED or not self.is_new_failure(case):
            return ""
        return REGRESSION if self.is_regression(case) else NEW_FAILURE

    def changes_of(self, cases: Iterable[CaseResult]) -> dict[str, list[str]]:
        """Return the kernels on which cases are a regression or a new failure."""
        found: dict[str, list[str]] = {}
        for word in (REGRESSION, NEW_FAILURE):
            kernels = [it.kernel for it in cases if self.change(it) == word]
            if kernels:
                found[word] = kernels
        return found

    def weight(self, cases: Sequence[CaseResult]) -> int:
        """Return by what failures are sorted: regressions first, then new failures."""
        found = self.changes_of(cases)
        return 0 if REGRESSION in found else 1 if found else 2

    @property
    def words(self) -> str:
        """Return "1 regression, 2 fixes", or that nothing changed."""
        parts = [
            _counted(self.regressions, "regression"),
            _counted(self.fixes, "fix", "fixes"),
            _counted(self.new, "new case"),
            _counted(self.new_failures, "of them fails", "of them fail"),
            _counted(self.vanished, "vanished case"),
            _counted(self.new_gaps, "new gap"),
            _counted(
                self.lost, "case lost to infrastructure", "cases lost to infrastructure"
            ),
            _counted(self.slower, "slowdown"),
            _counted(
                self.grown,
                "program costs more to verify",
                "programs cost more to verify",
            ),
            _counted(
                self.not_costed,
                "program has no cost in the baseline",
                "programs have no cost in the baseline",
            ),
            _counted(self.not_run, "kernel not run", "kernels not run"),
        ]
        return ", ".join(filter(None, parts)) or "no change"


def compare(
    baseline: RunResults,
    results: RunResults,
    *,
    allow_vanished: bool = False,
    allow_new_failures: bool = False,
) -> Comparison:
    """Compare a run with an earlier one.

    A case is known by its kernel, its suite and its name, or by a former name that the
    suite lists. In a run that was stopped a case that is missing has not vanished.
    """
    before, after = _by_key(baseline.cases), _by_key(results.cases)
    counterparts = {
        key: _counterparts(case, before, after) for key, case in after.items()
    }
    met = {_key(it) for found in counterparts.values() for it in found}
    ran = {kernel.id for kernel in results.kernels} if results.complete else set()
    pairs = [
        (min(found, key=lambda it: _BEST.index(it.outcome), default=None), after[key])
        for key, found in counterparts.items()
    ]
    sorted_: dict[str, list[CaseResult]] = {}
    for was, case in pairs:
        sorted_.setdefault(_kind(was, case), []).append(case)
    known = {kernel.id for kernel in results.kernels}
    return Comparison(
        baseline=baseline.started,
        **{kind: tuple(found) for kind, found in sorted_.items() if kind},
        vanished=tuple(
            case for key, case in before.items() if key not in met and key[0] in ran
        ),
        not_run=tuple(it.id for it in baseline.kernels if it.id not in known),
        slower=tuple(
            _slower(
                baseline.kernels,
                results.kernels,
                [(was, case) for was, case in pairs if was is not None],
            )
        ),
        grown=costs.grown(baseline, results),
        not_costed=(
            costs.without_baseline(baseline, results) if costs.has_any(baseline) else ()
        ),
        allow_vanished=allow_vanished,
        allow_new_failures=allow_new_failures,
    )


def gate_status(
    results: RunResults, gate: Gate, comparison: Comparison | None
) -> ExitStatus:
    """Return what a gate says of a run; without an earlier one nothing regressed.

    Cases that vanished fail both gates. Kernels that are not required never fail one.
    """
    if vanished_words(results, comparison):
        return ExitStatus.INCOMPATIBLE
    return exit_status(results, held(results, gate, comparison))


def vanished_words(results: RunResults, comparison: Comparison | None) -> str:
    """Return "2 baseline cases vanished" for those that fail every gate, or nothing."""
    if comparison is None or comparison.allow_vanished:
        return ""
    required = {kernel.id for kernel in results.kernels if kernel.required}
    number = sum(case.kernel in required for case in comparison.vanished)
    return counted(number, "baseline case vanished", "baseline cases vanished")


def held(
    results: RunResults, gate: Gate, comparison: Comparison | None
) -> Callable[[CaseResult], bool]:
    """Return what says whether a case makes the gate fail."""
    optional = {kernel.id for kernel in results.kernels if not kernel.required}

    def is_held(case: CaseResult) -> bool:
        if (
            case.outcome is not Outcome.FAILED
            or case.is_excused
            or case.kernel in optional
        ):
            return False
        if gate is Gate.ALL:
            return True
        if comparison is None:
            return False
        if comparison.allow_new_failures:
            return comparison.is_regression(case)
        return comparison.is_new_failure(case)

    return is_held


def _key(case: CaseResult) -> _Key:
    return case.kernel, f"{case.suite}::{case.case}"


def _by_key(cases: Iterable[CaseResult]) -> dict[_Key, CaseResult]:
    """Return each case once; of several results of one case the worst counts."""
    found: dict[_Key, CaseResult] = {}
    for case in cases:
        known = found.setdefault(_key(case), case)
        if BY_WEIGHT.index(case.outcome) < BY_WEIGHT.index(known.outcome):
            found[_key(case)] = case
    return found


def _counterparts(
    case: CaseResult, before: dict[_Key, CaseResult], after: dict[_Key, CaseResult]
) -> list[CaseResult]:
    """Return what an earlier run has of a case, under its name and its former ones."""
    former = [(case.kernel, name) for name in case.was]
    keys = [_key(case), *(key for key in former if key not in after)]
    return [before[key] for key in keys if key in before]


def _kind(before: CaseResult | None, after: CaseResult) -> str:
    """Return the field of Comparison that a case belongs in; nothing for none."""
    was = None if before is None else before.outcome
    now = after.outcome
    if after.is_excused:
        return ""
    if before is not None and before.is_excused:
        # What its entry excused counts again, as if it had passed.
        return "regressions" if now is Outcome.FAILED else ""
    if now is Outcome.ERROR:
        return "lost" if was not in (None, Outcome.ERROR) else ""
    if was in (None, Outcome.ERROR):
        return "new"
    if now is Outcome.FAILED:
        return "regressions" if was in _FINE else ""
    if was is Outcome.FAILED:
        return "fixes"
    if now is Outcome.SKIPPED and was is Outcome.PASSED:
        return "new_gaps"
    return ""


def _slower(
    old: Sequence[KernelRun],
    new: Sequence[KernelRun],
    pairs: Sequence[tuple[CaseResult, CaseResult]],
) -> Iterator[Slower]:
    """Find the kernels that are slower than the pace of the whole run explains."""
    known = {kernel.id: kernel for kernel in old}
    boots = {it.id: (_boot(known[it.id]), _boot(it)) for it in new if it.id in known}
    durations = [(was.duration, now.duration) for was, now in pairs]
    pace = _pace([*boots.values(), *durations])
    for id_, boot in boots.items():
        # Only cases that both runs have: more cases are no slowdown.
        own = [(was.duration, now.duration) for was, now in pairs if now.kernel == id_]
        cases = sum(was for was, _ in own), sum(now for _, now in own)
        for what, (before, after) in {"boot": boot, "cases": cases}.items():
            usual = before * pace
            if before and after > usual * _FACTOR and after - usual > _SECONDS:
                yield Slower(kernel=id_, what=what, before=before, after=after)


def _pace(pairs: Sequence[tuple[float, float]]) -> float:
    """Return how many times as long the whole run takes; 1 when it is faster."""
    ratios = [after / before for before, after in pairs if before > _MEASURABLE]
    return max(1.0, statistics.median(ratios)) if ratios else 1.0


def _boot(kernel: KernelRun) -> float:
    return statistics.median(kernel.boots) if kernel.boots else 0.0


def _counted(found: tuple[object, ...], word: str, plural: str = "") -> str:
    return counted(len(found), word, plural or f"{word}s")
