"""A moment by which something must have happened."""

import time
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Deadline:
    """A point in monotonic time; passed downward, so that waits share it."""

    at: float
    # How long the wait was to be, for messages; 0.0 when nobody said.
    seconds: float = 0.0

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Return the deadline that is `seconds` from now."""
        return cls(time.monotonic() + seconds, seconds)

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
