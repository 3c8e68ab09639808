"""How outcomes and verdicts look, wherever they are shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.errors import ExitStatus
from runner.results import (
    CaseKey,
    CaseResult,
    KernelRun,
    Outcome,
    RunResults,
    checked_nothing,
    exit_status,
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How an outcome is shown; the sign tells it without the colour."""

    sign: str
    ascii_sign: str
    # rich's, for terminals.
    style: str
    # What a reader is told, who sees neither sign nor colour.
    word: str


LOOKS = {
    Outcome.FAILED: Look(sign="✗", ascii_sign="X", style="bold red", word="failed"),
    Outcome.ERROR: Look(
        sign="!", ascii_sign="!", style="bold yellow", word="infrastructure error"
    ),
    Outcome.PASSED: Look(sign="✓", ascii_sign="+", style="green", word="passed"),
    Outcome.SKIPPED: Look(
        sign="–",  # noqa: RUF001
        ascii_sign="-",
        style="dim",
        word="declared gap",
    ),
}
# The order above is that of what a reader must know first.
BY_WEIGHT = tuple(LOOKS)

# Word, and rich's style.
VERDICTS = {
    ExitStatus.COMPATIBLE: ("compatible", "bold green"),
    ExitStatus.INCOMPATIBLE: ("incompatible", "bold red"),
    ExitStatus.INFRASTRUCTURE: ("no verdict", "bold yellow"),
}


def verdict(results: RunResults) -> str:
    """Return what a run says of the objects; a run that is not complete, nothing."""
    status = exit_status(results)
    word = VERDICTS[status][0]
    if results.complete:
        if checked_nothing(results) and status is ExitStatus.INFRASTRUCTURE:
            return f"{word}: nothing was checked"
        return word if results.shard is None else f"{word} (part {results.shard})"
    if status is ExitStatus.INFRASTRUCTURE:
        return incomplete(results)
    return f"{word}, {incomplete(results)}"


def incomplete(results: RunResults) -> str:
    """Return "incomplete: 2 of 10" of a run that is not complete."""
    known = results.planned is not None
    return f"incomplete: {results.progress}" if known else "incomplete"


def names(keys: Sequence[CaseKey], most: int) -> list[tuple[str, str]]:
    """Return each case's name, once, with the kernels it is about, up to `most`.

    The last entry says how many more there are.
    """
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(f"{key.suite}::{key.case}", []).append(key.kernel)
    entries = [(name, ", ".join(on)) for name, on in found.items()]
    if len(entries) > most:
        entries[most:] = [(f"and {len(entries) - most} more", "")]
    return entries


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The cases of a suite on a kernel, in a few characters."""

    worst: Outcome
    passed: int
    # Cases that are no declared gaps.
    run: int
    gaps: int

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
        if not self.run:
            return f"{self.gaps} declared gaps"
        gaps = f", {self.gaps} declared gaps" if self.gaps else ""
        return f"{LOOKS[self.worst].word}: {self.passed} of {self.run} passed{gaps}"


def cell(cases: Sequence[CaseResult]) -> Cell | None:
    """Return what a kernel's cases of a suite add up to; None without cases."""
    if not cases:
        return None
    outcomes = [case.outcome for case in cases]
    gaps = outcomes.count(Outcome.SKIPPED)
    return Cell(
        worst=worst(outcomes),
        passed=outcomes.count(Outcome.PASSED),
        run=len(cases) - gaps,
        gaps=gaps,
    )


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome that a reader must know first."""
    found = set(outcomes)
    return next(outcome for outcome in BY_WEIGHT if outcome in found)


def by_cell(results: RunResults) -> dict[tuple[str, str], list[CaseResult]]:
    """Return the cases of every kernel and suite."""
    found: dict[tuple[str, str], list[CaseResult]] = {}
    for case in results.cases:
        found.setdefault((case.kernel, case.suite), []).append(case)
    return found


def suites(results: RunResults) -> list[str]:
    """Return the suites' names, in the order of the run."""
    return list(dict.fromkeys(case.suite for case in results.cases))


def shown(kernel: KernelRun) -> str:
    """Return a kernel's name, and whether it counts."""
    return kernel.id if kernel.required else f"{kernel.id} (not required)"


def counted(number: int, word: str, *, plural: str = "") -> str:
    """Return "2 errors"; nothing for none."""
    if not number:
        return ""
    return f"{number} {plural if plural and number != 1 else word}"


def counts(results: RunResults) -> str:
    """Return "4 passed, 1 failed", or that there is no case."""
    parts = (
        counted(results.count(Outcome.PASSED), "passed"),
        counted(results.count(Outcome.FAILED), "failed"),
        counted(results.count(Outcome.ERROR), "error", plural="errors"),
        counted(results.count(Outcome.SKIPPED), "declared gap", plural="declared gaps"),
        counted(
            sum(len(case.not_available) for case in results.cases),
            "check not available",
            plural="checks not available",
        ),
    )
    return ", ".join(filter(None, parts)) or "no case"
