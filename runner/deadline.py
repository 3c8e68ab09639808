"""A moment by which something must have happened."""

import argparse
import math
import time
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Deadline:
    """A point in monotonic time; passed downward, so that waits share it."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Return the deadline that is `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Return the seconds left, 0.0 when there are none."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the moment has passed."""
        return time.monotonic() >= self.at

    def check(self, what: str) -> None:
        """Raise TimeoutError that names `what` when the moment has passed."""
        if self.expired:
            raise TimeoutError(f"{what} took too long")


def seconds(text: str) -> float:
    """Read an option's time. Raises ArgumentTypeError for what is no time to wait."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: seconds, more than 0")
    return found
