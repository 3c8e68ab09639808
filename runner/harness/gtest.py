"""Programs of GoogleTest: their XML, and what they print for tests that never end."""

import re
from collections.abc import Sequence
from pathlib import Path

from runner.harness import junit, xmlfile
from runner.harness.arguments import without
from runner.harness.lines import LineSplitter
from runner.harness.model import Invocation
from runner.harness.tests import HarnessState, Tests
from runner.harness.xmlfile import Element, XmlError

_FILE = "/tmp/gtest.xml"
# Characters of a filter, far below what one argument may have.
_MOST_FILTER = 100_000
_CHOOSING = re.compile(r"--gtest_(filter|list_tests|repeat|also_run_disabled_tests)\b")
# "[ RUN      ] Suite.Test", "[       OK ] Suite.Test (0 ms)"
_LINE = re.compile(
    rb"\[ {1,8}(RUN|OK|FAILED|SKIPPED) {1,6}\] (.+?)"
    rb"(?:, where .*)?(?: \((\d+) ms\))?"
)
_STATES = {
    b"OK": HarnessState.PASSED,
    b"FAILED": HarnessState.FAILED,
    b"SKIPPED": HarnessState.SKIPPED,
}
# Options that say what is printed, and where the XML goes.
_PRINTING = ("--gtest_output", "--gtest_color", "--gtest_brief")


class GoogleTest:
    """Test programs of GoogleTest."""

    name = "gtest"
    signs: tuple[bytes, ...] = (b"gtest_list_tests",)
    selects = True

    def listing(self, arguments: Sequence[str]) -> tuple[str, ...] | None:
        """Return the arguments that list tests; None if the user chooses them."""
        if any(_CHOOSING.match(it) for it in arguments):
            return None
        return ("--gtest_list_tests",)

    def names(self, printed: str) -> tuple[str, ...]:
        """Return the tests of a list: suites, and below each its tests.

        Disabled tests are left out, as they are not run.
        """
        found: dict[str, None] = {}
        suite = ""
        for line in printed.splitlines():
            # "  Adds/0  # GetParam() = 1"
            text = line.partition("#")[0].rstrip()
            if not text or text.startswith("Running main()"):
                continue
            if not text.startswith(" "):
                suite = text
            elif not suite.endswith("."):
                raise ValueError(line)
            elif "DISABLED_" not in suite + text:
                found[suite + text.strip()] = None
        return tuple(found)

    def invocation(
        self, program: Path, arguments: Sequence[str], names: Sequence[str] | None
    ) -> Invocation:
        """Return how to run tests, chosen by --gtest_filter."""
        chosen = [] if names is None else [f"--gtest_filter={':'.join(names)}"]
        return Invocation(
            arguments=(
                f"--gtest_output=xml:{_FILE}",
                "--gtest_color=no",
                *(it for it in chosen if len(it) < _MOST_FILTER),
                *without(arguments, _PRINTING),
            ),
            reader=GoogleReader(),
            file=_FILE,
        )


class GoogleReader:
    """Reads which tests start on standard output, and how they ended in the XML."""

    def __init__(self) -> None:
        self.tests = Tests()
        self._lines = LineSplitter(self._take)

    def feed(self, stream: str, data: bytes) -> None:
        """Take a piece."""
        if stream == "stdout":
            self._lines.feed(data)

    def close(self, file: str | None) -> None:
        """Read the XML; a program that died has left none, and its lines count."""
        self._lines.close()
        if file is None:
            return
        try:
            root = xmlfile.parse(file)
        except XmlError as error:
            self.tests.problem(f"the XML of --gtest_output can't be read: {error}")
            return
        printed, self.tests = self.tests, Tests()
        self.tests.problems += printed.problems
        for suite in root.children:
            for case in suite.children:
                if case.name == "testcase" and _has_run(case):
                    self._add(suite.attributes.get("name", ""), case, printed)

    def _add(self, suite: str, case: Element, printed: Tests) -> None:
        name = f"{suite}.{case.attributes.get('name', '')}"
        junit.add(self.tests, name, case)
        before, now = printed.by_name.get(name), self.tests.by_name.get(name)
        if before is not None and now is not None:
            now.output = before.output

    def _take(self, line: bytes) -> None:
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            self.tests.write(line)
            return
        name = match[2].decode("utf-8", "replace")
        if match[1] == b"RUN":
            self.tests.start(name)
        # The summary at the end lists failures once more.
        elif self.tests.current is not None and self.tests.current.name == name:
            seconds = None if match[3] is None else int(match[3]) / 1000
            self.tests.end(name, _STATES[match[1]], seconds=seconds)
            self.tests.output_of("")


def _has_run(case: Element) -> bool:
    """Whether a test was meant to run: --gtest_filter leaves others in the XML."""
    disabled = case.attributes.get("status") == "notrun"
    return not disabled and case.attributes.get("result") != "suppressed"
