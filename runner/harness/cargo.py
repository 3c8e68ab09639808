"""Programs of `cargo test --no-run` and `rustc --test`: what libtest prints.

Each test runs alone, so that what ends the program is told of the test that ran. JSON
says when a test starts, but stable libtest prints it only where RUSTC_BOOTSTRAP is set
(library/test/src/cli.rs, `is_nightly`); one that still refuses gets a second run, whose
text is read.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from runner.harness.arguments import without
from runner.harness.lines import LineSplitter
from runner.harness.model import Invocation
from runner.harness.tests import HarnessState, Tests

_THREADS = "--test-threads"
_CHOOSING = ("--skip", "--exact", "--ignored", "--include-ignored", "--bench", "--list")
# Options of libtest whose value is the next word.
_WITH_VALUE = {
    *("--test-threads", "--skip", "--logfile", "--color", "--format", "--shuffle-seed"),
    *("-Z", "--report-time"),
}
_LISTED = re.compile(r"(.+): (test|benchmark)")
_TOTAL = re.compile(r"(\d+) tests?, \d+ benchmarks?")
_STARTED = re.compile(rb"test (.+?)(?: - should panic(?: - compile)?)? \.\.\. ?(.*)")
_VERDICT = re.compile(rb"(ok|FAILED|ignored(?:, (.*))?)( <[0-9.]+s>)?")
_OUTPUT = re.compile(rb"---- (.+) stdout ----")
_SUMMARY = re.compile(rb"test result: \S+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
_EVENTS = {
    "ok": HarnessState.PASSED,
    "failed": HarnessState.FAILED,
    "ignored": HarnessState.SKIPPED,
}
# A number of arguments that every kernel takes.
_MOST_NAMES = 2000


class Cargo:
    """Test programs of Rust's libtest."""

    name = "cargo"
    # The variable that sets how many threads libtest uses.
    signs: tuple[bytes, ...] = (b"RUST_TEST_THREADS",)
    selects = True

    def listing(self, arguments: Sequence[str]) -> tuple[str, ...] | None:
        """Return the arguments that list tests; None if the user chooses them."""
        if _chooses(arguments):
            return None
        return ("--list", "--format", "terse")

    def names(self, printed: str) -> tuple[str, ...]:
        """Return the tests of a list, without its benchmarks."""
        found: dict[str, None] = {}
        for line in filter(None, map(str.strip, printed.splitlines())):
            match = _LISTED.fullmatch(line)
            if match is None and not _TOTAL.fullmatch(line):
                raise ValueError(line)
            if match is not None and match[2] == "test":
                found[match[1]] = None
        return tuple(found)

    def invocation(
        self, program: Path, arguments: Sequence[str], names: Sequence[str] | None
    ) -> Invocation:
        """Return how to run tests, chosen by whole names."""
        own = [it for it in arguments if it.startswith(_THREADS)]
        chosen = ["--exact", *names] if names and len(names) <= _MOST_NAMES else []
        kept = without(arguments, ("-q", "--quiet"), valued=("--format", "--color"))
        common = ([] if own else [f"{_THREADS}=1"]) + chosen + kept
        return Invocation(
            arguments=("-Z", "unstable-options", "--format", "json", *common),
            environment={"RUSTC_BOOTSTRAP": "1"},
            reader=CargoReader(),
            otherwise=Invocation(arguments=tuple(common), reader=CargoReader()),
        )


def _chooses(arguments: Sequence[str]) -> bool:
    """Whether a user's arguments choose tests: by an option, or by a part of names."""
    before = ["", *arguments]
    return any(
        it.split("=")[0] in _CHOOSING
        or not (it.startswith("-") or previous in _WITH_VALUE)
        for previous, it in zip(before, arguments, strict=False)
    )


class CargoReader:
    """Reads libtest's output, as JSON or as text, whichever comes."""

    def __init__(self) -> None:
        self.tests = Tests()
        self._lines = LineSplitter(self._take)
        # The test whose output the text shows at its end.
        self._shown: str | None = None
        self._summaries = 0

    def feed(self, stream: str, data: bytes) -> None:
        """Take a piece; the results are on standard output."""
        if stream == "stdout":
            self._lines.feed(data)

    def close(self, file: str | None) -> None:
        """Take the end."""
        self._lines.close()

    def _take(self, line: bytes) -> None:
        text = line.rstrip(b"\r\n")
        if text.startswith(b"{") and self._json(text):
            return
        if not self._text(text):
            self.tests.write(line)

    # --------------------------------------------------------------- JSON

    def _json(self, text: bytes) -> bool:
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            return False
        if not isinstance(event, dict):
            return False
        kind, what = event.get("type"), event.get("event")
        if kind == "suite":
            if what in ("ok", "failed"):
                self._compare(
                    *(event.get(it) for it in ("passed", "failed", "ignored"))
                )
            return True
        name = event.get("name")
        if kind != "test" or not isinstance(name, str):
            return False
        if what == "started":
            return self._start(name)
        if what == "timeout":
            # It says that a test takes long, and lets it go on.
            return True
        if what not in _EVENTS:
            return False
        printed = event.get("stdout")
        found = self.tests.by_name.get(name)
        if found is not None and isinstance(printed, str):
            found.output.write(printed.encode("utf-8", "replace"))
        seconds = event.get("exec_time")
        return self.tests.end(
            name,
            _EVENTS[what],
            message=str(event.get("message") or ""),
            seconds=seconds if isinstance(seconds, float) else None,
        )

    def _start(self, name: str) -> bool:
        current = self.tests.current
        if name in self.tests.by_name:
            return False
        # With several threads, others run beside it.
        self.tests.start(name)
        return current is None or current.name != name

    # --------------------------------------------------------------- text

    def _text(self, text: bytes) -> bool:
        summary, output = _SUMMARY.match(text), _OUTPUT.fullmatch(text)
        if summary is not None and self.tests.current is None:
            self._compare(*map(int, summary.groups()))
            return True
        if output is not None and self.tests.current is None:
            self._shown = output[1].decode("utf-8", "replace")
            self.tests.output_of(self._shown)
            return True
        current, alone = self.tests.current, _VERDICT.fullmatch(text)
        if current is not None:
            # Behind what the test has printed.
            return alone is not None and self._end(current.name, alone)
        started = _STARTED.fullmatch(text)
        if started is None or self._summaries:
            return False
        name = started[1].decode("utf-8", "replace")
        if name in self.tests.by_name:
            return False
        self.tests.start(name)
        verdict = _VERDICT.fullmatch(started[2])
        if verdict is not None:
            self._end(name, verdict)
        elif started[2]:
            self.tests.write(started[2] + b"\n")
        return True

    def _end(self, name: str, verdict: re.Match[bytes]) -> bool:
        word = verdict[1][:2]
        state = {b"ok": HarnessState.PASSED, b"FA": HarnessState.FAILED}.get(
            word, HarnessState.SKIPPED
        )
        reason = (verdict[2] or b"").decode("utf-8", "replace")
        self.tests.output_of("")
        return self.tests.end(name, state, message=reason)

    def _compare(self, *counts: object) -> None:
        """Compare libtest's own counts with the results that were read."""
        self._summaries += 1
        states = [it.state for it in self.tests]
        read = tuple(
            states.count(it)
            for it in (HarnessState.PASSED, HarnessState.FAILED, HarnessState.SKIPPED)
        )
        if counts != read:
            words = "passed {}, failed {}, ignored {}"
            self.tests.problem(
                f"the program's summary counts {words.format(*counts)}; its results "
                f"are {words.format(*read)}"
            )
