"""What a kind of test program is: how it is run, and who reads what it prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runner.harness.tests import Tests


class Reader(Protocol):
    """Reads what a test program prints, as it comes."""

    tests: Tests

    def feed(self, stream: str, data: bytes) -> None:
        """Take a piece of "stdout" or "stderr"."""

    def close(self, file: str | None) -> None:
        """Take the end, and the text of the file that the program left, if it did."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """How a test program is run once."""

    # Without the program itself.
    arguments: tuple[str, ...]
    reader: Reader
    environment: Mapping[str, str] = field(default_factory=dict)
    # A file of the guest that has the results; empty when standard output has them.
    file: str = ""
    # How to run it if it refuses these arguments; None if they are not new to it.
    otherwise: "Invocation | None" = None


class Harness(Protocol):
    """A kind of test program."""

    name: str
    # What a program of this kind contains, to tell it from others.
    signs: tuple[bytes, ...]
    # Whether it can run some of its tests, by their names.
    selects: bool

    def listing(self, arguments: Sequence[str]) -> tuple[str, ...] | None:
        """Return the arguments that make it list its tests; None if it can't."""

    def names(self, printed: str) -> tuple[str, ...]:
        """Return the tests of such a list. Raises ValueError for another text."""

    def invocation(
        self, program: Path, arguments: Sequence[str], names: Sequence[str] | None
    ) -> Invocation:
        """Return how to run tests; None is all of them."""
