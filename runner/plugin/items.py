"""suite.yaml files as pytest items: one item a case and kernel."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.errors import RunnerError
from runner.files import excerpts, sources
from runner.matrix.matrix import Kernel
from runner.plugin import names
from runner.plugin.state import run_of
from runner.preflight import objectuse
from runner.results import CaseResult, ObjectUse, Outcome
from runner.run import programs, retry
from runner.run.lease import GuestLease, Need
from runner.run.programs import Performed
from runner.run.retry import KernelCase, name_of
from runner.run.run import Run
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite
from runner.text.progress import progress

# Which guest the next item needs, on which pytest decides when an item begins.
FOLLOWING = pytest.StashKey[Need | None]()


# Characters of what a case says of itself, in results.json.
_MOST_DESCRIPTION = 500


class CaseFailedError(Exception):
    """A case did not pass; carries what is known of it."""

    def __init__(self, result: CaseResult) -> None:
        super().__init__(result.message)
        self.result = result


class SuiteFile(pytest.File):
    """A suite.yaml."""

    def collect(self) -> Iterator[pytest.Item]:
        """Return an item for every case on every kernel of the run."""
        run = run_of(self.config)
        loaded = run.load_suite(self.path)
        run.check_names([loaded])
        for case in loaded.suite.cases:
            names = programs.names_of(run, loaded, case)
            for kernel in run.kernels:
                group = ProgramItems() if case.command and not case.isolate else None
                for test in names:
                    yield CaseItem.from_parent(
                        self,
                        name=f"{name_of(case, test)}[{kernel.id}]",
                        loaded=loaded,
                        case=case,
                        kernel=kernel,
                        test=test,
                        group=group or (ProgramItems() if case.command else None),
                    )

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> Any:
        """Show a suite's mistake as one message, without a traceback."""
        if isinstance(excinfo.value, RunnerError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class CaseItem(pytest.Item):
    """One case on one kernel."""

    def __init__(
        self,
        *,
        loaded: LoadedSuite,
        case: Case,
        kernel: Kernel,
        test: str = "",
        group: "ProgramItems | None" = None,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        # Of a case with a command: all that one run of its program decides.
        self.group = group
        # What else came out, such as subtests.
        self.more: tuple[CaseResult, ...] = ()
        self.loaded = loaded
        self.case = case
        self.kernel = kernel
        self.on = KernelCase(
            loaded=loaded, case=case, kernel=kernel, nodeid=self.nodeid, test=test
        )
        # What is reported.
        self.result: CaseResult | None = None
        # What the object says it needs; None when there is no object.
        self.object_use: ObjectUse | None = None
        # How the case ended, with its compiled object.
        self._performed: tuple[CaseResult, bytes] | None = None
        # One worker brings a kernel up once and runs all its cases.
        self.add_marker(pytest.mark.xdist_group(kernel.id))
        self.add_marker(pytest.mark.kernel(kernel.id))

    @property
    def was(self) -> tuple[str, ...]:
        """What reports called the case before."""
        return _former(self.loaded, self.case, self.on.test)

    @property
    def need(self) -> Need:
        """The guest that the case runs in."""
        return self.on.need

    def perform(self, worker: int | None, following: Need | None) -> None:
        """Run the case in a worker's guest; `runtest` then reports how it ended."""
        run = run_of(self.config)
        guests = run.guests(worker)
        if self.group is None:
            self._performed = retry.perform(run, self.on, guests, following)
        else:
            self.group.perform(run, self, guests, following)
            self._performed = self.group.result(self), b""

    def runtest(self) -> None:
        """Run the case, unless a worker did, and raise for what is not a pass."""
        if self.group is not None and self.group.performed is not None:
            self._performed = self.group.result(self), b""
        if self._performed is None:
            self.perform(None, self.stash.get(FOLLOWING, None))
        assert self._performed is not None
        self._replay(*self._performed)

    def _replay(self, result: CaseResult, data: bytes) -> None:
        self.result = self._placed(result)
        if self.group is not None:
            more = map(self._placed, self.group.more(self))
            self.more = tuple(it.model_copy(update={"nodeid": ""}) for it in more)
        if data:
            self.object_use = self._object_use(data)
        if self.result.outcome is Outcome.SKIPPED:
            pytest.skip(self.result.message)
        if self.result.outcome is not Outcome.PASSED:
            raise CaseFailedError(self.result)

    def _object_use(self, data: bytes) -> ObjectUse:
        engine = run_of(self.config).programs(progress()).engine
        return objectuse.inspect(data, self.on.shown_object, engine)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Tell pytest where the case stands."""
        line = self.loaded.lines.get(self.case.name, 1) - 1
        return self.path, line, f"{self.loaded.name}::{self.name}"

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> Any:
        """Show what was expected and what was seen, without a traceback."""
        if not isinstance(excinfo.value, CaseFailedError):
            return super().repr_failure(excinfo, style)
        result = excinfo.value.result
        lines = [result.message]
        lines += [str(mismatch) for mismatch in result.mismatches[1:]]
        if result.cure:
            lines.append(f"what to do: {result.cure}")
        return "\n".join(lines)

    def _placed(self, result: CaseResult) -> CaseResult:
        """Add where files lie, seen from here, and the case's former names."""
        started = self.config.invocation_params.dir
        built = self.loaded.file(self.on.subject)
        result = placed(result, started, built)
        source = source_of(built, result.source.rpartition(":")[0], started)
        known = {"source_path": os.path.relpath(source, started)}
        result = result.model_copy(update=known)
        return result.model_copy(
            update={
                "description": self.case.description[:_MOST_DESCRIPTION],
                "excerpt": excerpts.around(source, result.source_line),
                "was": _former(
                    self.loaded, self.case, result.case[len(self.case.name) :][2:]
                ),
                "nodeid": self.nodeid,
            }
        )


def _former(loaded: LoadedSuite, case: Case, test: str) -> tuple[str, ...]:
    """Return what reports called a case before, or a test of its program."""
    return tuple(f"{it}::{test}" if test else it for it in loaded.former_names(case))


class ProgramItems:
    """The items that one run of a program decides: the program's own, and its tests."""

    def __init__(self) -> None:
        # Those that are to run, in order.
        self.items: list[CaseItem] = []
        self.performed: Performed | None = None

    def perform(
        self, run: Run, item: CaseItem, guests: GuestLease, following: Need | None
    ) -> None:
        """Run the program with the tests of the items."""
        tests = [it.on.test for it in self.items or [item] if it.on.test]
        on = item.on if item.case.isolate else replace(item.on, test="")
        self.performed = programs.perform(run, on, tests or None, guests, following)

    def result(self, item: CaseItem) -> CaseResult:
        """Return an item's own result."""
        assert self.performed is not None
        own, found = self.performed.own, self.performed.tests.get(item.on.test)
        if found is None:
            # The program's, or a test's without a result: then the program says why.
            return own.model_copy(update={"case": item.on.name})
        good = (Outcome.PASSED, Outcome.SKIPPED)
        if item.case.isolate and found.outcome in good and own.outcome not in good:
            return own.model_copy(update={"case": item.on.name})
        return found

    def more(self, item: CaseItem) -> list[CaseResult]:
        """Return the results that are no item's, and are reported with this one."""
        assert self.performed is not None
        items = self.items or [item]
        names = {it.on.test for it in items}
        results = [
            result
            for name, result in self.performed.tests.items()
            if name not in names and self._reporter(name, items) is item
        ]
        is_last = items[-1] is item
        if is_last and "" not in names and not item.case.isolate:
            # Whether all is well with the program itself, is never left out.
            results.append(self.performed.own)
        return results

    def _reporter(self, name: str, items: "list[CaseItem]") -> "CaseItem":
        """Return the item with which a test is reported: that of its outermost test."""
        found = [it for it in items if name.startswith(f"{it.on.test}/")]
        return (found or [it for it in items if not it.on.test] or items[-1:])[0]


def placed(result: CaseResult, started: Path, built: Path) -> CaseResult:
    """Return a result without the paths of this machine or of one that built it.

    `built` is the case's object. A source was compiled in its own folder, which names
    in its debug information are relative to.
    """
    file, colon, line = result.source.rpartition(":")
    beside = built.parent / file
    is_beside = built.suffix == ".c" and bool(file) and beside.is_file()
    name = sources.shown(str(beside.resolve()) if is_beside else file, started)

    def relative(text: str) -> str:
        if is_beside:
            text = sources.renamed(text, file, name)
        text = sources.relative(text, [file], started)
        return sources.without_folders(text, started)

    return result.model_copy(
        update={
            "source": f"{name}:{line}" if colon else "",
            "message": relative(result.message),
            "cure": relative(result.cure),
        }
    )


def source_of(built: Path, named: str, folder: Path) -> Path:
    """Return a case's source: itself, or what the debug information of an object names.

    A name counts only when there is such a file in `folder`, as seen from there.
    """
    source = folder / named
    if not named or built.name.endswith(".c") or not source.is_file():
        return built
    return source if source.resolve().is_relative_to(folder.resolve()) else built


def kernel_of(item: pytest.Item) -> str | None:
    """Return the id of the kernel that an item runs on, or None."""
    mark = item.get_closest_marker("kernel")
    return None if mark is None else str(mark.args[0])


def name_of_test(item: pytest.Item, kernel: str) -> str:
    """Return what reports call a Python test: pytest's name of it, without the kernel.

    "test_it[small]" of test_it[6.1-small], and "TestLoad::test_it" in a class.
    """
    name, _, rest = item.name.partition("[")
    others, _ = names.without(rest.removesuffix("]"), kernel)
    classes = [it.name for it in item.listchain() if isinstance(it, pytest.Class)]
    return "::".join([*classes, f"{name}[{others}]" if others else name])


def need_of(item: pytest.Item) -> Need | None:
    """Return the guest that an item runs in, which a file's Python tests share."""
    if isinstance(item, CaseItem):
        return item.need
    id_ = kernel_of(item)
    if id_ is None:
        return None
    return Need(kernel=run_of(item.config).kernel(id_), tenant=str(item.path))
