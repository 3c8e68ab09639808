"""suite.yaml files as pytest items: one item a case and kernel."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.errors import RunnerError
from runner.files import sources
from runner.matrix.matrix import Kernel
from runner.plugin import names
from runner.plugin.state import run_of
from runner.preflight import objectuse
from runner.results import CaseResult, ObjectUse, Outcome
from runner.run import retry
from runner.run.lease import Need
from runner.run.retry import KernelCase
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite

# Which guest the next item needs, on which pytest decides when an item begins.
FOLLOWING = pytest.StashKey[Need | None]()


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
            for kernel in run.kernels:
                yield CaseItem.from_parent(
                    self,
                    name=f"{case.name}[{kernel.id}]",
                    loaded=loaded,
                    case=case,
                    kernel=kernel,
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
        self, *, loaded: LoadedSuite, case: Case, kernel: Kernel, **rest: Any
    ) -> None:
        super().__init__(**rest)
        self.loaded = loaded
        self.case = case
        self.kernel = kernel
        self.on = KernelCase(
            loaded=loaded, case=case, kernel=kernel, nodeid=self.nodeid
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
        return self.loaded.former_names(self.case)

    @property
    def need(self) -> Need:
        """The guest that the case runs in."""
        return self.on.need

    def perform(self, worker: int | None, following: Need | None) -> None:
        """Run the case in a worker's guest; `runtest` then reports how it ended."""
        run = run_of(self.config)
        self._performed = retry.perform(run, self.on, run.guests(worker), following)

    def runtest(self) -> None:
        """Run the case, unless a worker did, and raise for what is not a pass."""
        if self._performed is None:
            self.perform(None, self.stash.get(FOLLOWING, None))
        assert self._performed is not None
        self._replay(*self._performed)

    def _replay(self, result: CaseResult, data: bytes) -> None:
        self.result = self._placed(result)
        if data:
            self.object_use = objectuse.inspect(data, self.on.shown_object)
        if self.result.outcome is Outcome.SKIPPED:
            pytest.skip(self.result.message)
        if self.result.outcome is not Outcome.PASSED:
            raise CaseFailedError(self.result)

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
        result = placed(result, started)
        built = self.loaded.file(self.on.subject)
        source = source_of(built, result.source.rpartition(":")[0], started)
        return result.model_copy(
            update={"source_path": os.path.relpath(source, started), "was": self.was}
        )


def placed(result: CaseResult, started: Path) -> CaseResult:
    """Return a result without the paths of this machine or of one that built it."""
    file, colon, line = result.source.rpartition(":")

    def relative(text: str) -> str:
        text = sources.relative(text, [file], started)
        return sources.without_folders(text, started)

    return result.model_copy(
        update={
            "source": f"{sources.shown(file, started)}:{line}" if colon else "",
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
