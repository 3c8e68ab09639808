"""The steps of a search, as they come."""

from collections.abc import Sequence
from typing import TextIO

from runner.bisect.candidates import OfferedKernel
from runner.bisect.search import Foreseen, TriedBoot


class ShownSteps:
    """Shows each step as it comes."""

    def __init__(self, versions: Sequence[OfferedKernel], stream: TextIO) -> None:
        self._versions = versions
        self._stream = stream
        # Ends that were booted once.
        self._begun: set[int] = set()

    def _say(self, text: str, *, loud: bool = False) -> None:
        prefix = "warning: " if loud else ""
        print(f"{prefix}{text}", file=self._stream, flush=True)

    def begin(self, case: str, resumed: bool) -> None:
        """Show what is asked."""
        first, last = self._versions[0], self._versions[-1]
        self._say(
            f"{case}: {len(self._versions)} versions from {first.id} (good) to "
            f"{last.id} (bad)" + ("; resumed" if resumed else "")
        )

    def booting(self, number: int, left: int, most: int) -> None:
        """Show which version is booted now."""
        ends = {0: "the good end", len(self._versions) - 1: "the bad end"}
        if number in ends and number not in self._begun:
            self._begun.add(number)
            self._say(f"{self._versions[number].id}: booting {ends[number]}")
            return
        self._say(
            f"{self._versions[number].id}: booting; {left} suspect, about {most} more "
            f"boot{'' if most == 1 else 's'} to narrow them"
            if most
            else f"{self._versions[number].id}: booting, to be sure"
        )

    def booted(self, number: int, boot: TriedBoot) -> None:
        """Show what a boot says."""
        why = ": ".join(filter(None, (boot.failure_class, boot.message)))
        why = why.partition("\n")[0]
        told = f"{boot.state}{f', {why}' if why else ''}"
        self._say(f"{self._versions[number].id}: {told} ({boot.seconds:.0f} s)")

    def foreseen(self, number: int, found: Foreseen) -> None:
        """Show a prediction."""
        self._say(f"{self._versions[number].id}: predicted: {found}")

    def lied(self, number: int, found: Foreseen, boot: TriedBoot) -> None:
        """Show loudly that a prediction was wrong."""
        self._say(
            f"{self._versions[number].id}: predicted: {found}, but it is {boot.state}; "
            "from here on only boots count. Please report this if the object was "
            "loaded as predicted",
            loud=True,
        )

    def flaky(self, number: int, first: TriedBoot, again: TriedBoot) -> None:
        """Show loudly that two boots disagree."""
        self._say(
            f"{self._versions[number].id}: {first.state} once, and {again.state} once: "
            "the case is flaky there",
            loud=True,
        )
