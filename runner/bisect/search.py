"""The search for the first bad one of several versions: by predictions, then by boots.

No kernel is known here: versions are numbers, from the good end (0) to the bad one. A
version is never called bad or good by a prediction alone: predictions only choose what
is booted, and both sides of the answer have been booted.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class BootState(StrEnum):
    """What a boot says of a version."""

    GOOD = "good"
    BAD = "bad"
    # Nothing: it could not be fetched or booted, or the case does not apply.
    SKIP = "skip"


class Foreseen(StrEnum):
    """What is predicted of the case on a version."""

    LOADS = "loads"
    REFUSED = "refused"
    # Nothing tells.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class TriedBoot:
    """How the case ended on a version."""

    state: BootState
    # Its failure class; empty for a pass.
    failure_class: str = ""
    # Of the failure, or why it is skipped.
    message: str = ""
    # How long it took, with the start of the guest.
    seconds: float = 0.0


class VersionProbe(Protocol):
    """Asks about versions, by their numbers."""

    def foresee(self, number: int) -> Foreseen:
        """Predict, without a boot."""

    def boot(self, number: int) -> TriedBoot:
        """Run the case, once."""


class SearchListener(Protocol):
    """Is told what happens."""

    def booting(self, number: int, left: int, most: int) -> None:
        """A version is about to be booted.

        `left` versions are still suspect; at most about `most` more boots follow.
        """

    def booted(self, number: int, boot: TriedBoot) -> None:
        """It was."""

    def foreseen(self, number: int, found: Foreseen) -> None:
        """Something was predicted, and narrows the search."""

    def lied(self, number: int, found: Foreseen, boot: TriedBoot) -> None:
        """A boot disagrees with the prediction that the search followed."""

    def flaky(self, number: int, first: TriedBoot, again: TriedBoot) -> None:
        """Two boots of a version disagree."""


@dataclass(frozen=True, kw_only=True)
class SearchAnswer:
    """What a search found."""

    # The last version that is good, and the first behind it that is bad; both booted.
    good: int
    bad: int
    # Versions between them that say nothing, so that each may be the first bad one.
    between: tuple[int, ...] = ()
    # All that say nothing.
    skipped: tuple[int, ...] = ()
    # Versions on which two boots disagreed.
    flaky: tuple[int, ...] = ()
    # Versions on which a boot disagreed with the prediction.
    lies: tuple[int, ...] = ()
    boots: int = 0

    @property
    def suspects(self) -> tuple[int, ...]:
        """The versions that may be the first bad one."""
        return (*self.between, self.bad)


class WrongEndError(Exception):
    """An end is not what it was said to be."""

    def __init__(self, number: int, boot: TriedBoot) -> None:
        super().__init__(f"version {number} is {boot.state}")
        self.number = number
        self.boot = boot


def search(
    count: int, probe: VersionProbe, listener: SearchListener, *, tries: int = 2
) -> SearchAnswer:
    """Return the first bad one of `count` versions, 0 is good and the last one bad.

    Both ends are booted first. Each side of the answer is booted `tries` times.
    Raises WrongEndError if an end is not what it was said to be.
    """
    return _BoundarySearch(count, probe, listener, tries).run()


@dataclass
class _BoundarySearch:
    count: int
    probe: VersionProbe
    listener: SearchListener
    tries: int
    # What is known by boots.
    known: dict[int, TriedBoot] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)
    # What was predicted, and narrowed the search.
    seen: dict[int, Foreseen] = field(default_factory=dict)
    flaky: list[int] = field(default_factory=list)
    lies: list[int] = field(default_factory=list)
    boots: int = 0
    # Whether predictions tell good from bad: they agree with the boots of both ends.
    follows: bool = False

    def run(self) -> SearchAnswer:
        last = self.count - 1
        self._end(0, BootState.GOOD)
        self._end(last, BootState.BAD)
        self.follows = (
            self.probe.foresee(0) is Foreseen.LOADS
            and self.probe.foresee(last) is Foreseen.REFUSED
        )
        while (number := self._next()) is not None:
            self._boot(number)
        good, bad = self._bounds()
        skipped = [n for n, it in self.known.items() if it.state is BootState.SKIP]
        return SearchAnswer(
            good=good,
            bad=bad,
            between=tuple(range(good + 1, bad)),
            skipped=tuple(sorted(skipped)),
            flaky=tuple(sorted(self.flaky)),
            lies=tuple(sorted(self.lies)),
            boots=self.boots,
        )

    def _end(self, number: int, wanted: BootState) -> None:
        boot = self._boot(number)
        if boot.state is not wanted:
            raise WrongEndError(number, boot)

    def _bounds(self) -> tuple[int, int]:
        """Return the last good version, and the first bad one behind it."""
        bad = min(n for n, it in self.known.items() if it.state is BootState.BAD)
        good = max(
            n for n, it in self.known.items() if it.state is BootState.GOOD and n < bad
        )
        return good, bad

    def _next(self) -> int | None:
        """Return which version to boot now; None when the answer is there."""
        good, bad = self._bounds()
        open_ = [n for n in range(good + 1, bad) if n not in self.known]
        if open_:
            return self._foreseen(good, bad) if self.follows else _middle(open_)
        unsure = (n for n in (good, bad) if self.times[n] < self.tries)
        return next(unsure, None)

    def _foreseen(self, good: int, bad: int) -> int:
        """Return the version to boot next, where predictions tell good from bad."""
        silent = set(self.known)
        loads = [n for n in self._seen(Foreseen.LOADS) if good < n < bad]
        low = max([good, *loads])
        refused = [n for n in self._seen(Foreseen.REFUSED) if low < n < bad]
        high = min([bad, *refused])
        while open_ := [n for n in range(low + 1, high) if n not in silent]:
            number = _middle(open_)
            found = self.probe.foresee(number)
            self.seen[number] = found
            self.listener.foreseen(number, found)
            if found is Foreseen.LOADS:
                low = number
            elif found is Foreseen.REFUSED:
                high = number
            else:
                silent.add(number)
        for number in (high, low):
            if number not in self.known:
                return number
        # Between the two, nothing is predicted.
        return _middle([n for n in range(low + 1, high) if n not in self.known])

    def _seen(self, what: Foreseen) -> list[int]:
        return [n for n, it in self.seen.items() if it is what]

    def _boot(self, number: int) -> TriedBoot:
        good, bad = 0, self.count - 1
        if {0, bad} <= self.known.keys():
            good, bad = self._bounds()
        open_ = sum(n not in self.known for n in range(good + 1, bad))
        self.listener.booting(number, bad - good, self._most(open_))
        boot = self.probe.boot(number)
        self.boots += 1
        self.times[number] = self.times.get(number, 0) + 1
        self.listener.booted(number, boot)
        before = self.known.get(number)
        if before is not None and boot.state is not before.state:
            self._doubt(number, before, boot)
            return boot
        self.known[number] = boot
        self._compare(number, boot)
        return boot

    def _most(self, open_: int) -> int:
        """Return how many more boots there are at most, if none says nothing."""
        if self.follows:
            return min(2, open_)
        return math.ceil(math.log2(open_ + 1))

    def _doubt(self, number: int, first: TriedBoot, again: TriedBoot) -> None:
        """Take a version on which two boots disagree for one that says nothing."""
        self.listener.flaky(number, first, again)
        self.flaky.append(number)
        if number in (0, self.count - 1):
            # Nothing is left without it: the answer says that it is doubtful.
            self.times[number] = self.tries
            return
        message = f"{first.state} once, and {again.state} once"
        self.known[number] = TriedBoot(state=BootState.SKIP, message=message)

    def _compare(self, number: int, boot: TriedBoot) -> None:
        if not self.follows or boot.state is BootState.SKIP:
            return
        found = self.probe.foresee(number)
        is_bad = boot.state is BootState.BAD
        if found is not Foreseen.UNKNOWN and (found is Foreseen.REFUSED) != is_bad:
            self.listener.lied(number, found, boot)
            self.lies.append(number)
            # From here on only boots count.
            self.follows = False
            self.seen.clear()


def _middle(numbers: Iterable[int]) -> int:
    found = list(numbers)
    return found[len(found) // 2]
