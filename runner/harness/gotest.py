"""Programs of `go test -c`: what `-test.v` prints, by the rules of test2json.

Since Go 1.20 (src/cmd/internal/test2json), `-test.v=test2json` begins each line that
the testing package itself prints with ^V: a test that prints "--- PASS" fakes nothing.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from runner.harness.arguments import without
from runner.harness.lines import LineSplitter
from runner.harness.model import Invocation
from runner.harness.tests import HarnessState, Tests
from runner.programs import golang

_MARKER = b"\x16"
_MARKED_SINCE = 20
# "-test.run X", "-test.run=X", "--test.list=X": then the user chooses.
_OWN_CHOICE = re.compile(r"--?test\.(run|list|bench|fuzz|skip)(=|$)")
_LISTED = re.compile(r"(Test|Example|Fuzz)\w*")
_UPDATE = re.compile(rb"=== (RUN|PAUSE|CONT|NAME) +(.*)")
_REPORT = re.compile(
    rb"(?: {4})*--- (PASS|FAIL|SKIP): (.+?)(?: \(([0-9]+(?:\.[0-9]+)?)s\))?"
)
_STATES = {
    b"PASS": HarnessState.PASSED,
    b"FAIL": HarnessState.FAILED,
    b"SKIP": HarnessState.SKIPPED,
}
# Characters of a regular expression, far below what one argument may have.
_MOST_PATTERN = 100_000


class GoTest:
    """Test programs of Go."""

    name = "gotest"
    # The message of a flag that only `go test` passes.
    signs: tuple[bytes, ...] = (b"test.paniconexit0",)
    selects = True

    def listing(self, arguments: Sequence[str]) -> tuple[str, ...] | None:
        """Return the arguments that list tests; None if the user chooses them."""
        if any(_OWN_CHOICE.match(it) for it in arguments):
            return None
        return ("-test.list=.*",)

    def names(self, printed: str) -> tuple[str, ...]:
        """Return tests, examples and fuzz tests: all but benchmarks."""
        words = [line.strip() for line in printed.splitlines()]
        return tuple(dict.fromkeys(it for it in words if _LISTED.fullmatch(it)))

    def invocation(
        self, program: Path, arguments: Sequence[str], names: Sequence[str] | None
    ) -> Invocation:
        """Return how to run tests, chosen by -test.run."""
        minor = golang.minor_version(program)
        marked = minor is not None and minor >= _MARKED_SINCE
        pattern = "" if names is None else f"^({'|'.join(names)})$"
        chosen = [f"-test.run={pattern}"] if 0 < len(pattern) < _MOST_PATTERN else []
        return Invocation(
            arguments=(
                # As `go test` does: a test that calls os.Exit(0) has not passed.
                "-test.paniconexit0",
                f"-test.v={'test2json' if marked else 'true'}",
                *chosen,
                *without(arguments, ("-test.v", "--test.v")),
            ),
            reader=GoReader(marked=marked),
        )


class GoReader:
    """Reads the output of -test.v."""

    def __init__(self, *, marked: bool) -> None:
        self.tests = Tests()
        self._marked = marked
        self._lines = LineSplitter(self._take, marker=_MARKER if marked else b"")

    def feed(self, stream: str, data: bytes) -> None:
        """Take a piece; the results are on standard output."""
        if stream == "stdout":
            self._lines.feed(data)

    def close(self, file: str | None) -> None:
        """Take the end."""
        self._lines.close()

    def _take(self, line: bytes) -> None:
        if self._marked:
            if not line.startswith(_MARKER):
                self.tests.write(line)
                return
            line = line[1:]
        text = line.rstrip(b"\r\n")
        update, report = _UPDATE.fullmatch(text), _REPORT.fullmatch(text)
        if update is not None:
            self._update(update[1], _text(update[2]))
        elif report is None or not self._end(report):
            self.tests.write(line)

    def _update(self, action: bytes, name: str) -> None:
        match action:
            case b"RUN":
                self.tests.start(name)
            case b"PAUSE":
                self.tests.go_on(name, HarnessState.PAUSED)
            case b"CONT":
                self.tests.go_on(name)
            case _:
                # Whose output follows; it may have ended.
                self.tests.output_of(name)

    def _end(self, report: re.Match[bytes]) -> bool:
        name, state = _text(report[2]), _STATES[report[1]]
        found = self.tests.by_name.get(name)
        # The testing package gives the reason as the last thing that was logged.
        reason = (
            found.output.text().strip()
            if found and state is HarnessState.SKIPPED
            else ""
        )
        seconds = float(report[3]) if report[3] else None
        return self.tests.end(
            name, state, message=reason.rpartition("\n")[2], seconds=seconds
        )


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace").strip()
