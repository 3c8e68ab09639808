"""The tests of a program, as its output shows them: what started, and how it ended."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

# Tests of one program; what is beyond is counted and not kept.
MOST_TESTS = 20_000
# Bytes of a test's output that are kept, of its start and of its end.
_KEPT = 8 * 1024
_LONGEST_NAME = 400
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]+")


class HarnessState(StrEnum):
    """How far a test is."""

    RUNNING = "running"
    # Parallel tests of Go wait for the others.
    PAUSED = "paused"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self not in (HarnessState.RUNNING, HarnessState.PAUSED)


@dataclass
class KeptText:
    """The start and the end of a text that may be long."""

    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    left_out: int = 0

    def write(self, data: bytes, most: int = _KEPT) -> None:
        """Add bytes."""
        room = most - len(self.head)
        self.head += data[:room] if room > 0 else b""
        self.tail += data[room:] if room > 0 else data
        if len(self.tail) > 2 * most:
            self.left_out += len(self.tail) - most
            del self.tail[:-most]

    def text(self, most: int = _KEPT) -> str:
        """Return it, with a note of how much is left out."""
        tail, left = self.tail[-most:], self.left_out
        left += len(self.tail) - len(tail)
        note = f"\n[… {left} bytes are left out …]\n".encode() if left else b""
        return (bytes(self.head) + note + bytes(tail)).decode("utf-8", "replace")


@dataclass
class Test:
    """One test of a program."""

    __test__ = False

    name: str
    state: HarnessState = HarnessState.RUNNING
    # Why it was skipped, or why it failed if the results themselves say so.
    message: str = ""
    # What is odd about its results.
    odd: str = ""
    # As the program measured it.
    seconds: float | None = None
    output: KeptText = field(default_factory=KeptText)


class Tests:
    """All tests of a program, in the order in which they started."""

    __test__ = False

    def __init__(self) -> None:
        self.by_name: dict[str, Test] = {}
        # What is wrong with the results as a whole, a sentence each.
        self.problems: list[str] = []
        # The name of the test that ended last; of those around it that ended with it,
        # the innermost.
        self.last = ""
        # The name of the test that started or went on last.
        self._current: str | None = None

    def __iter__(self) -> Iterator[Test]:
        return iter(self.by_name.values())

    @property
    def current(self) -> Test | None:
        """The test that runs, innermost; None when none does."""
        name = self._current
        while name:
            found = self.by_name.get(name)
            if found is not None and found.state is HarnessState.RUNNING:
                return found
            name = name.rpartition("/")[0]
        running = [it for it in self if it.state is HarnessState.RUNNING]
        return running[-1] if running else None

    def start(self, name: str) -> Test | None:
        """Take a test that starts; None for one too many."""
        name = clean_name(name)
        if name not in self.by_name:
            if len(self.by_name) >= MOST_TESTS:
                self.problem(f"there are more than {MOST_TESTS} tests")
                return None
            self.by_name[name] = Test(name)
        self._current = name
        return self.by_name[name]

    def go_on(self, name: str, state: HarnessState = HarnessState.RUNNING) -> None:
        """Take a test that started before and pauses or runs now."""
        found = self.by_name.get(clean_name(name))
        if found is None:
            return
        if not found.state.is_over:
            found.state = state
        if state is HarnessState.RUNNING:
            self._current = found.name

    def end(
        self,
        name: str,
        state: HarnessState,
        *,
        message: str = "",
        seconds: float | None = None,
    ) -> bool:
        """Take how a test ended; False for one that never started.

        Of two ends of one test the worse counts: a test may print what it likes.
        """
        found = self.by_name.get(clean_name(name))
        if found is None:
            return False
        if not self.last.startswith(f"{found.name}/"):
            self.last = found.name
        found.seconds = seconds
        if found.state.is_over and HarnessState.FAILED in (found.state, state):
            if found.state is not state:
                found.odd = "two results were printed for it, and one is a failure"
            if state is not HarnessState.FAILED:
                return True
            if found.state is not HarnessState.FAILED:
                # It was that of the other result.
                found.message = ""
        found.state = state
        found.message = found.message or _CONTROL.sub(" ", message).strip()
        return True

    def output_of(self, name: str) -> None:
        """Give what is printed from now on to a test; to none without a name."""
        if not name:
            self._current = None
        elif clean_name(name) in self.by_name:
            self._current = clean_name(name)

    def problem(self, what: str) -> None:
        """Note what is wrong with the results as a whole, once."""
        if what not in self.problems:
            self.problems.append(what)

    def write(self, line: bytes) -> None:
        """Take a line that the test which runs has printed."""
        current = self.by_name.get(self._current or "")
        if current is not None:
            current.output.write(line)


def clean_name(name: str) -> str:
    """Return a test's name as reports can show it."""
    name = _CONTROL.sub(" ", name).strip() or "(no name)"
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
