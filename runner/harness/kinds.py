"""The kinds of test programs, by the words of `results:`."""

from collections.abc import Sequence
from pathlib import Path

from runner.harness.cargo import Cargo
from runner.harness.gotest import GoTest
from runner.harness.gtest import GoogleTest
from runner.harness.junit import JUnit
from runner.harness.lines import LineSplitter
from runner.harness.model import Harness, Invocation, Reader
from runner.harness.tap import BEGINS, Tap, TapReader
from runner.harness.tests import Tests
from runner.programs.golang import find

EXIT, AUTO, JUNIT = "exit", "auto", "junit="
_KINDS: dict[str, type[GoTest] | type[Cargo] | type[Tap] | type[GoogleTest]] = {
    it.name: it for it in (GoTest, Cargo, Tap, GoogleTest)
}
WORDS = (EXIT, *_KINDS, f"{JUNIT}PATH", AUTO)


def harness(results: str, program: Path | None) -> Harness | None:
    """Return what reads the results of a program; None where its exit status counts.

    `program` is the file of this machine, if it is one. Raises OSError when it can't be
    read.
    """
    if results.startswith(JUNIT):
        return JUnit(results.removeprefix(JUNIT))
    if results == AUTO:
        return _detected(program)
    kind = _KINDS.get(results)
    return kind() if kind else None


def _detected(program: Path | None) -> Harness:
    for kind in _KINDS.values():
        signs = kind.signs if program is not None else ()
        if signs and all(find(program, it) is not None for it in signs if program):
            return kind()
    return Unknown()


class Unknown(Tap):
    """A program that shows by what it prints whether it is TAP."""

    name = AUTO

    def invocation(
        self, program: Path, arguments: Sequence[str], names: Sequence[str] | None
    ) -> Invocation:
        """Return how to run it."""
        return Invocation(arguments=tuple(arguments), reader=UnknownReader())


class UnknownReader:
    """Reads TAP if the first line that is not blank is TAP, else nothing."""

    def __init__(self) -> None:
        self.tests = Tests()
        self._reader: Reader | None = None
        self._lines = LineSplitter(self._take)
        self._is_tap: bool | None = None

    def feed(self, stream: str, data: bytes) -> None:
        """Take a piece."""
        if stream == "stdout" and self._is_tap is not False:
            self._lines.feed(data)

    def close(self, file: str | None) -> None:
        """Take the end."""
        self._lines.close()
        if self._reader is not None:
            self._reader.close(file)

    def _take(self, line: bytes) -> None:
        if self._is_tap is None and line.strip():
            self._is_tap = BEGINS.match(line) is not None
            if self._is_tap:
                self._reader = TapReader()
                self.tests = self._reader.tests
        if self._reader is not None:
            self._reader.feed("stdout", line)
