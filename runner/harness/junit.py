"""A file of JUnit's XML that a command leaves in the guest."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.harness import xmlfile
from runner.harness.model import Invocation
from runner.harness.tests import HarnessState, Tests
from runner.harness.xmlfile import Element, XmlError

_BAD = ("failure", "error")


class JUnit:
    """Commands that write JUnit's XML."""

    name = "junit"
    signs: tuple[bytes, ...] = ()
    selects = False

    def __init__(self, file: str) -> None:
        self._file = file

    def listing(self, arguments: Sequence[str]) -> tuple[str, ...] | None:
        """Return None: nobody knows how it lists tests."""
        return None

    def names(self, printed: str) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def invocation(
        self, program: Path, arguments: Sequence[str], names: Sequence[str] | None
    ) -> Invocation:
        """Return how to run all tests."""
        return Invocation(
            arguments=tuple(arguments), reader=JUnitReader(self._file), file=self._file
        )


class JUnitReader:
    """Reads the file once the command has ended."""

    def __init__(self, file: str) -> None:
        self.tests = Tests()
        self._file = file

    def feed(self, stream: str, data: bytes) -> None:
        """Leave alone what it prints."""

    def close(self, file: str | None) -> None:
        """Read the file."""
        if file is None:
            self.tests.problem(f"the command left no file {self._file}")
            return
        try:
            root = xmlfile.parse(file)
        except XmlError as error:
            self.tests.problem(f"{self._file} is not JUnit's XML: {error}")
            return
        for case in _cases(root):
            self._add(case)

    def _add(self, case: Element) -> None:
        own, class_ = case.attributes.get("name", ""), case.attributes.get("classname")
        add(self.tests, f"{class_}.{own}" if class_ else own, case)


def add(tests: Tests, name: str, case: Element) -> None:
    """Take a testcase element; one of a name that is there already gets a number."""
    unique, count = name, 1
    while unique in tests.by_name:
        count += 1
        unique = f"{name} #{count}"
    started = tests.start(unique)
    if started is None:
        return
    bad = [it for it in case.children if it.name in _BAD]
    skipped = [it for it in case.children if it.name == "skipped"]
    for it in bad or skipped:
        words = [it.attributes.get("message", ""), it.text.strip()]
        started.output.write("\n".join(filter(None, words)).encode("utf-8", "replace"))
    told = (bad or skipped or [Element("")])[0]
    message = told.attributes.get("message") or told.text.strip().partition("\n")[0]
    state = (
        HarnessState.FAILED
        if bad
        else HarnessState.SKIPPED
        if skipped
        else HarnessState.PASSED
    )
    tests.end(unique, state, message=message, seconds=_seconds(case))


def _cases(element: Element) -> Iterator[Element]:
    for child in element.children:
        if child.name == "testcase":
            yield child
        else:
            yield from _cases(child)


def _seconds(case: Element) -> float | None:
    try:
        found = float(case.attributes.get("time", ""))
    except ValueError:
        return None
    return found if 0 <= found < 1e9 else None
