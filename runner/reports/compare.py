"""A run beside an earlier one: what broke, what was mended, what is new or gone."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from runner.errors import ExitStatus
from runner.results import CaseResult, KernelRun, Outcome, RunResults, exit_status

# A kernel is slower from this factor and this many seconds on; less is noise.
_FACTOR = 1.5
_SECONDS = 2.0

_Key = tuple[str, str, str]
# What was fine before: a declared gap that is a failure now is a regression, too.
_FINE = (Outcome.PASSED, Outcome.SKIPPED)


class Gate(StrEnum):
    """Which failures fail a pull request."""

    ALL = "all"
    # Only those of cases that an earlier run had without a failure.
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
        ]
        return ", ".join(filter(None, parts)) or "no change"


def compare(baseline: RunResults, results: RunResults) -> Comparison:
    """Hold a run against an earlier one."""
    before = {_key(case): case for case in baseline.cases}
    after = {_key(case) for case in results.cases}
    ran = {kernel.id for kernel in results.kernels}
    sorted_: dict[str, list[CaseResult]] = {}
    for case in results.cases:
        kind = _kind(before.get(_key(case)), case)
        sorted_.setdefault(kind, []).append(case)
    return Comparison(
        baseline=baseline.started,
        **{kind: tuple(found) for kind, found in sorted_.items() if kind},
        vanished=tuple(
            case
            for key, case in before.items()
            if key not in after and case.kernel in ran
        ),
        not_run=tuple(it.id for it in baseline.kernels if it.id not in ran),
        slower=tuple(_slower(baseline, results)),
    )


def gate_status(
    results: RunResults, gate: Gate, comparison: Comparison | None
) -> ExitStatus:
    """Return what a gate says of a run; without an earlier one nothing regressed.

    Kernels that are not required never fail it.
    """
    return exit_status(results, held(results, gate, comparison))


def held(
    results: RunResults, gate: Gate, comparison: Comparison | None
) -> Callable[[CaseResult], bool]:
    """Return what tells whether a case makes the gate fail."""
    required = {kernel.id for kernel in results.kernels if kernel.required}

    def is_held(case: CaseResult) -> bool:
        return (
            case.outcome is Outcome.FAILED
            and case.kernel in required
            and (
                gate is Gate.ALL
                or (comparison is not None and comparison.is_regression(case))
            )
        )

    return is_held


def _key(case: CaseResult) -> _Key:
    return case.kernel, case.suite, case.case


def _kind(before: CaseResult | None, after: CaseResult) -> str:
    """Return the field of Comparison that a case belongs in; nothing for none."""
    was = None if before is None else before.outcome
    now = after.outcome
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


def _slower(baseline: RunResults, results: RunResults) -> Iterable[Slower]:
    old = {kernel.id: kernel for kernel in baseline.kernels}
    took_before, took_after = _seconds(baseline), _seconds(results)
    for kernel in results.kernels:
        if kernel.id not in old:
            continue
        pairs = {
            "boot": (_boot(old[kernel.id]), _boot(kernel)),
            "cases": (took_before.get(kernel.id, 0.0), took_after.get(kernel.id, 0.0)),
        }
        for what, (before, after) in pairs.items():
            if before and after > before * _FACTOR and after - before > _SECONDS:
                yield Slower(kernel=kernel.id, what=what, before=before, after=after)


def _boot(kernel: KernelRun) -> float:
    return statistics.median(kernel.boots) if kernel.boots else 0.0


def _seconds(results: RunResults) -> dict[str, float]:
    found: dict[str, float] = {}
    for case in results.cases:
        found[case.kernel] = found.get(case.kernel, 0.0) + case.duration
    return found


def _counted(found: tuple[object, ...], word: str, plural: str = "") -> str:
    if not found:
        return ""
    return f"{len(found)} {word if len(found) == 1 else plural or word + 's'}"
