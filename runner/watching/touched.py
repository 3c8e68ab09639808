"""The files that cases are made of, and what a change of files touches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.bpf import compile as compile_
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite

_SOURCE = ".c"
_CONFTEST = "conftest.py"


@dataclass(frozen=True, order=True)
class CaseName:
    """A case as reports name it; of a Python test file, all that it has."""

    suite: str
    # Empty for all.
    case: str = ""

    def __str__(self) -> str:
        return f"{self.suite}::{self.case}" if self.case else self.suite

    def covers(self, name: str) -> bool:
        """Whether a result, by its name in reports, is of this case or a test in it."""
        return name == str(self) or name.startswith(f"{self}::")


@dataclass(frozen=True, kw_only=True)
class WatchedSuites:
    """All suites that are watched, as they were read."""

    suites: tuple[LoadedSuite, ...]
    # Python test files.
    tests: tuple[Path, ...] = ()
    # What decides all of it: the matrix, its lock, pyproject.toml.
    settings: tuple[Path, ...] = ()

    @property
    def all(self) -> frozenset[CaseName]:
        """Every case, and every file of Python tests."""
        cases = {CaseName(it.name, case.name) for it, case in self._cases()}
        return frozenset(cases | {CaseName(it.stem) for it in self.tests})

    def _cases(self) -> Iterator[tuple[LoadedSuite, Case]]:
        for suite in self.suites:
            for case in suite.suite.cases:
                yield suite, case

    def files(self) -> Mapping[Path, frozenset[CaseName]]:
        """Return all files that decide something, with the cases that each decides."""
        found: dict[Path, set[CaseName]] = {}
        sources: dict[Path, Sequence[Path]] = {}
        for suite, case in self._cases():
            name = CaseName(suite.name, case.name)
            for path in _files_of(suite, case):
                for each in sources.setdefault(path, _made_of(path)):
                    found.setdefault(each, set()).add(name)
        for test in self.tests:
            for path in (test, *_conftests(test)):
                found.setdefault(path, set()).add(CaseName(test.stem))
        for suite in self.suites:
            # Which of its cases changed is only known afterwards.
            found.setdefault(suite.path, set())
        for path in self.settings:
            found[path] = set(self.all)
        return {path: frozenset(names) for path, names in found.items()}


def _files_of(suite: LoadedSuite, case: Case) -> Iterator[Path]:
    """Yield the files of this machine that a case names."""
    if case.object:
        yield suite.file(case.object)
    if case.extends is not None:
        yield suite.file(case.extends.object)
    others = (it for it in (case.stdin, case.btf) if it is not None)
    for name in (*case.files, *case.command[:1], *others):
        # PATH:GUESTPATH; a program of the guest is no file here.
        path = suite.file(name.partition(":")[0])
        if path.is_file():
            yield path


def _made_of(path: Path) -> Sequence[Path]:
    """Return a file, and for a source the headers of its owner that it includes."""
    if path.suffix != _SOURCE:
        return (path,)
    return (path, *compile_.own_headers(path))


def _conftests(test: Path) -> Iterator[Path]:
    for folder in test.absolute().parents:
        if (folder / _CONFTEST).is_file():
            yield folder / _CONFTEST
        if (folder / ".git").exists():
            return


def touched(
    changed: Iterable[Path], before: WatchedSuites, now: WatchedSuites
) -> frozenset[CaseName]:
    """Return the cases that a change of files touches.

    `before` are the suites as they were read before it, `now` as they are read since.
    """
    paths = set(changed)
    old, new = before.files(), now.files()
    found = {
        name for path in paths for name in (*old.get(path, ()), *new.get(path, ()))
    }
    known = {it.path: it for it in before.suites}
    for suite in now.suites:
        if suite.path in paths or suite.path not in known:
            found |= _changed_cases(known.get(suite.path), suite)
    # A test file that was not there.
    found |= {CaseName(it.stem) for it in now.tests if it not in before.tests}
    return frozenset(found & now.all)


def _changed_cases(before: LoadedSuite | None, now: LoadedSuite) -> set[CaseName]:
    """Return the cases of a suite that are not as they were."""
    everything = {CaseName(now.name, it.name) for it in now.suite.cases}
    if before is None or _frame(before) != _frame(now):
        return everything
    old = {it.name: it for it in before.suite.cases}
    return {
        CaseName(now.name, it.name) for it in now.suite.cases if it != old.get(it.name)
    }


def _frame(suite: LoadedSuite) -> dict[str, object]:
    """Return what a suite says of all of its cases."""
    return suite.suite.model_dump(exclude={"cases", "description"})
