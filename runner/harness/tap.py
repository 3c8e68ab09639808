"""The Test Anything Protocol, versions 12 to 14 (testanything.org).

Subtests are indented by four blanks, and come before the line of their parent. TAP has
no word for a test that starts.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from runner.harness.lines import LineSplitter
from runner.harness.model import Invocation
from runner.harness.tests import HarnessState, Test, Tests, clean_name

_INDENT = re.compile(rb"( {4})*")
_PLAN = re.compile(rb"1\.\.(\d{1,9})(?:\s*#\s*(?:skip\S*\s*)?(.*))?", re.IGNORECASE)
_POINT = re.compile(
    rb"(not )?ok\b(?:\s+(\d{1,9}))?(?:\s+-)?\s*(.*?)"
    rb"(?:\s*(?<!\\)#\s*(skip\S*|todo)\b[\s:]*(.*))?",
    re.IGNORECASE,
)
_BAIL_OUT = re.compile(rb"bail out!\s*(.*)", re.IGNORECASE)
_VERSION = re.compile(rb"TAP version \d+", re.IGNORECASE)
_SUBTEST = re.compile(rb"# Subtest:? ?(.*)")
# Bytes of output between two tests.
_KEPT = 8192
BEGINS = re.compile(rb"\s*(TAP version \d+|1\.\.\d+|(not )?ok\b|# Subtest)")


class Tap:
    """Programs that print TAP."""

    name = "tap"
    signs: tuple[bytes, ...] = ()
    selects = False

    def listing(self, arguments: Sequence[str]) -> tuple[str, ...] | None:
        """Return None: TAP has no word for it."""
        return None

    def names(self, printed: str) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def invocation(
        self, program: Path, arguments: Sequence[str], names: Sequence[str] | None
    ) -> Invocation:
        """Return how to run all tests."""
        return Invocation(arguments=tuple(arguments), reader=TapReader())


class _Level:
    """The tests at one depth."""

    def __init__(self) -> None:
        self.planned: int | None = None
        self.seen = 0
        # Of the subtest that these tests belong to, if it was told before.
        self.title = ""


class TapReader:
    """Reads TAP."""

    def __init__(self) -> None:
        self.tests = Tests()
        self._lines = LineSplitter(self._take)
        self._levels = [_Level()]
        # Tests of deeper levels that wait for their parent's name, by depth.
        self._waiting: dict[int, list[tuple[str, HarnessState, str]]] = {}
        # What was printed since the last test.
        self._printed = b""
        self._last: Test | None = None
        self._bailed_out = False

    def feed(self, stream: str, data: bytes) -> None:
        """Take a piece; TAP is on standard output."""
        if stream == "stdout":
            self._lines.feed(data)

    def close(self, file: str | None) -> None:
        """Take the end: what was planned and is not there is a problem."""
        self._lines.close()
        for depth in sorted(self._waiting, reverse=True):
            for name, state, message in self._waiting.pop(depth, ()):
                self._add(name, state, message)
        top = self._levels[0]
        if top.planned is None and top.seen and not self._bailed_out:
            self.tests.problem("there is no plan (1..N), so tests may be missing")
        self._check_plan(top, "the program")

    def _check_plan(self, level: _Level, whose: str) -> None:
        if level.planned is not None and level.planned != level.seen:
            self.tests.problem(
                f"{whose} planned {level.planned} tests, and printed {level.seen} "
                "results"
            )

    def _take(self, line: bytes) -> None:
        indent = _INDENT.match(line)
        depth = len(indent[0]) // 4 if indent else 0
        text = line[4 * depth :].rstrip()
        if self._result(text, depth):
            return
        if self._last is not None and (text.startswith(b"#") or line[:3] == b"  -"):
            # Diagnostics stand behind their test.
            self._last.output.write(line)
        else:
            self._printed = (self._printed + line)[-_KEPT:]

    def _result(self, text: bytes, depth: int) -> bool:
        plan, point = _PLAN.fullmatch(text), _POINT.fullmatch(text)
        bail, subtest = _BAIL_OUT.fullmatch(text), _SUBTEST.fullmatch(text)
        if plan is not None:
            self._level(depth).planned = int(plan[1])
            if plan[1] == b"0" and depth == 0:
                self._add("all", HarnessState.SKIPPED, _text(plan[2] or b""))
                self._level(0).seen = 0
        elif point is not None:
            self._point(point, depth)
        elif bail is not None:
            self._bailed_out = True
            self.tests.problem(f"the program bailed out: {_text(bail[1])}".rstrip(": "))
        elif subtest is not None:
            self._level(depth).title = _text(subtest[1])
        else:
            return _VERSION.fullmatch(text) is not None
        return True

    def _level(self, depth: int) -> _Level:
        while len(self._levels) <= depth:
            self._levels.append(_Level())
        return self._levels[depth]

    def _point(self, point: re.Match[bytes], depth: int) -> None:
        level = self._level(depth)
        level.seen += 1
        number = point[2].decode() if point[2] else str(level.seen)
        name = clean_name(_text(point[3]) or f"test {number}")
        state = HarnessState.FAILED if point[1] else HarnessState.PASSED
        directive = (point[4] or b"").lower()
        message = _text(point[5] or b"")
        if directive.startswith(b"skip"):
            state = HarnessState.SKIPPED
        elif directive == b"todo" and state is HarnessState.FAILED:
            state, message = HarnessState.SKIPPED, f"to do: {message}".rstrip(": ")
        inner = self._waiting.pop(depth + 1, [])
        if len(self._levels) > depth + 1:
            self._check_plan(self._levels[depth + 1], f"subtest {name}")
            del self._levels[depth + 1 :]
        own = [(f"{name}/{sub}", how, why) for sub, how, why in inner]
        found = [*own, (name, state, message)]
        if depth:
            self._waiting.setdefault(depth, []).extend(found)
            return
        for each in found:
            self._add(*each)

    def _add(self, name: str, state: HarnessState, message: str) -> None:
        unique, count = name, 1
        while unique in self.tests.by_name:
            count += 1
            unique = f"{name} #{count}"
        started = self.tests.start(unique)
        if started is not None:
            started.output.write(self._printed)
            self._printed, self._last = b"", started
            self.tests.end(unique, state, message=message)


def _text(words: bytes) -> str:
    return words.decode("utf-8", "replace").replace("\\#", "#").strip()
