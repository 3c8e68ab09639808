"""How outcomes and verdicts look and read, wherever they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from runner.errors import ExitStatus
from runner.failures.classes import NOTHING_TO_AGREE_WITH
from runner.results import (
    CaseKey,
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


def date(text: str) -> str:
    """Return "29 Nov 2026, 18:34 UTC"; the text itself if it is not a time."""
    try:
        found = datetime.fromisoformat(text)
        # Else by the clock of who reads it.
        aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        found = aware.astimezone(UTC)
    # Also for a time beyond all calendars.
    except (ValueError, OverflowError):
        return text
    return f"{found.day} {found:%b} {found.year}, {found:%H:%M} UTC"


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


def shown(kernel: KernelRun, vendor: str = "") -> str:
    """Return a kernel's name, whose it is if that is told, and whether it counts."""
    notes = ", ".join(filter(None, (vendor, "" if kernel.required else "not required")))
    return f"{kernel.id} ({notes})" if notes else kernel.id


def counted(number: int, word: str, plural: str) -> str:
    """Return "2 errors"; nothing for none."""
    return f"{number} {word if number == 1 else plural}" if number else ""


class Ended(Protocol):
    """How a case ended, as results and the history have it."""

    @property
    def outcome(self) -> Outcome | None:
        """None for a case without a result."""

    @property
    def failure_class(self) -> str:
        """Empty if there is none."""


def is_uncompared(case: Ended) -> bool:
    """Whether a case was skipped only because no other kernel gave anything."""
    skipped = case.outcome is Outcome.SKIPPED
    return skipped and case.failure_class == NOTHING_TO_AGREE_WITH.name


NOT_COMPARED = "not compared"


def word(case: Ended) -> str:
    """Return how a case ended, in words; one without a result is not known."""
    if is_uncompared(case):
        return NOT_COMPARED
    return "no result" if case.outcome is None else LOOKS[case.outcome].word


def word_of_all(outcome: Outcome, results: RunResults) -> str:
    """Return a word for all cases of a run that ended as an outcome."""
    cases = [it for it in results.cases if it.outcome is outcome]
    return " or ".join(sorted(set(map(word, cases)))) or LOOKS[outcome].word


def counts(results: RunResults) -> str:
    """Return "4 passed, 1 failed", or that there is no case."""
    unavailable = sum(len(case.not_available) for case in results.cases)
    known = sum(case.is_excused for case in results.cases)
    alone = sum(map(is_uncompared, results.cases))
    gaps = results.count(Outcome.SKIPPED) - alone
    parts = (
        counted(results.count(Outcome.PASSED), "passed", "passed"),
        counted(results.count(Outcome.FAILED) - known, "failed", "failed"),
        counted(known, "known flaky failure", "known flaky failures"),
        counted(results.count(Outcome.ERROR), "error", "errors"),
        counted(gaps, "declared gap", "declared gaps"),
        counted(alone, "case not compared", "cases not compared"),
        counted(unavailable, "check not available", "checks not available"),
    )
    return ", ".join(filter(None, parts)) or "no case"
