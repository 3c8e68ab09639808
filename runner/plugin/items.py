"""suite.yaml files as pytest items: one item a case and kernel."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner import sources
from runner.bpf.compile import CompileError
from runner.bpf.object import ObjectError
from runner.errors import TIMED_OUT, GuestError, RunnerError, UsageError
from runner.matrix import Kernel
from runner.plugin.state import run_of
from runner.preflight import objectuse
from runner.results import CaseResult, KernelRun, ObjectUse, Outcome
from runner.session import case as session_case
from runner.session.case import Job
from runner.session.printed import Commands, Place
from runner.session.run import Run
from runner.suite import Case
from runner.suitefile import LoadedSuite
from runner.versions import VersionRange


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
        self.result: CaseResult | None = None
        # How the case ended, where a lane ran it.
        self._ahead: CaseResult | None = None
        # The compiled object, once it is there.
        self._data = b""
        # One worker brings a kernel up once and runs all its cases.
        self.add_marker(pytest.mark.xdist_group(kernel.id))
        self.add_marker(pytest.mark.kernel(kernel.id))

    @property
    def was(self) -> tuple[str, ...]:
        """What reports called the case before."""
        return self.loaded.former_names(self.case)

    @property
    def tenant(self) -> str:
        """Who shares a guest: the cases of an object, or of the suite."""
        if self.loaded.suite.reuse == "suite":
            return str(self.loaded.folder)
        # What loaders of the user's own load, nobody else is to find in his guest.
        return str(self.loaded.folder / (self.case.object or self.case.name))

    def run_ahead(self, lane: int) -> None:
        """Run the case in a lane's guest; `runtest` then says how it ended."""
        self._ahead = self._evaluate(run_of(self.config), lane)

    def runtest(self) -> None:
        """Run the case and raise for what is not a pass."""
        run = run_of(self.config)
        self.result = self._placed(self._ahead or self._evaluate(run))
        if self.result.outcome is Outcome.SKIPPED:
            pytest.skip(self.result.message)
        if self.result.outcome is not Outcome.PASSED:
            raise CaseFailedError(self.result)

    def kernel_run(self) -> KernelRun:
        """Return what is known of the kernel, for the reports."""
        return run_of(self.config).kernel_run(self.kernel)

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

    def object_use(self) -> ObjectUse | None:
        """Return what the object says it needs; None when there is no object."""
        if not self._data:
            return None
        return objectuse.inspect(self._data, self._shown_object)

    @property
    def _shown_object(self) -> str:
        """The object, or a loader, as reports name it."""
        return self.loaded.shown(self._subject)

    @property
    def _subject(self) -> str:
        return self.case.object or self.case.files[0]

    def _placed(self, result: CaseResult) -> CaseResult:
        """Add where files lie, seen from here, and the case's former names."""
        started = self.config.invocation_params.dir
        result = placed(result, started)
        built = self.loaded.file(self._subject)
        source = source_of(built, result.source.rpartition(":")[0], started)
        return result.model_copy(
            update={"source_path": os.path.relpath(source, started), "was": self.was}
        )

    def _evaluate(self, run: Run, lane: int | None = None) -> CaseResult:
        gap = self._gap(run)
        if gap is not None:
            return gap
        compiled = None
        try:
            if self.case.object:
                compiled = run.compiled(
                    self.loaded.file(self.case.object), self.case.vmlinux
                )
        except CompileError as error:
            refused = self._ended(Outcome.FAILED, error, "compile_error")
            return refused.model_copy(update={"source": error.source})
        except ObjectError as error:
            return self._ended(Outcome.FAILED, error, "bad_object")
        except UsageError as error:
            return self._ended(Outcome.FAILED, error, "suite_error")
        except RunnerError as error:
            return self._ended(Outcome.ERROR, error, "infrastructure")
        self._data = b"" if compiled is None else compiled.read_bytes()
        job = Job(
            suite=self.loaded.name,
            case=self.case,
            object_path=compiled,
            shown_path=self._shown_object,
            nodeid=self.nodeid,
            folder=self.loaded.folder,
            commands=Commands(
                Place.of(
                    run.settings.reports,
                    self.kernel.id,
                    f"{self.loaded.name}.{self.case.name}",
                )
            ),
        )
        try:
            guests = run.guests if lane is None else run.lane(lane)
            guest = guests.lease(self.kernel, self.tenant)
            first = session_case.run(job, guest)
            if first.outcome is not Outcome.ERROR or guest.usable:
                return first
            guest = guests.lease(self.kernel, self.tenant)
        except GuestError as error:
            return self._ended(Outcome.ERROR, error, error.cause, error.console)
        except RunnerError as error:
            return self._ended(Outcome.ERROR, error, "infrastructure")
        # No word about the object, so it gets another chance; the report says.
        second = session_case.run(job, guest)
        if second.failure_class == TIMED_OUT:
            said = f"{second.message} (a second try, in a clean guest)"
            second = second.model_copy(update={"message": said})
        return second.model_copy(update={"flaky": first.message})

    def _gap(self, run: Run) -> CaseResult | None:
        """Return the result of a case that does not run on this kernel."""
        if self.case.kernels:
            gap = self._gap_by_version(run)
            if gap is not None:
                return gap
        if self.case.config:
            lines = (run.config(self.kernel) or "").splitlines()
            missing = [line for line in self.case.config if line not in lines]
            if lines and missing:
                reason = UsageError(f"needs {', '.join(missing)}: {self.case.reason}")
                return self._ended(Outcome.SKIPPED, reason, "declared_gap")
        return None

    def _gap_by_version(self, run: Run) -> CaseResult | None:
        wanted = VersionRange.parse(self.case.kernels)
        if not any(run.may_be_in(kernel, wanted) for kernel in run.matrix.kernels):
            file = run.settings.kernels.matrix
            mistake = UsageError(
                f"no kernel of the matrix is {wanted}, so this case never runs",
                hint=f"add such a kernel to {file}, or remove the case",
            )
            return self._ended(Outcome.FAILED, mistake, "never_runs")
        if run.may_be_in(self.kernel, wanted):
            return None
        reason = UsageError(f"needs {wanted}: {self.case.reason}")
        return self._ended(Outcome.SKIPPED, reason, "declared_gap")

    def _ended(
        self, outcome: Outcome, error: RunnerError, class_: str, console: str = ""
    ) -> CaseResult:
        return CaseResult(
            kernel=self.kernel.id,
            suite=self.loaded.name,
            case=self.case.name,
            outcome=outcome,
            message=error.message,
            failure_class=class_,
            cure=error.hint,
            console=console,
            object_path=self._shown_object,
            nodeid=self.nodeid,
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
    name, bracket, rest = item.name.partition("[")
    others = _without(rest.removesuffix("]"), kernel) if bracket else ""
    classes = [it.name for it in item.listchain() if isinstance(it, pytest.Class)]
    return "::".join([*classes, f"{name}[{others}]" if others else name])


def _without(parameters: str, kernel: str) -> str:
    """Return a test's parameters, which pytest joins by "-", without the kernel's."""
    if parameters == kernel:
        return ""
    if parameters.startswith(f"{kernel}-"):
        return parameters.removeprefix(f"{kernel}-")
    if parameters.endswith(f"-{kernel}"):
        return parameters.removesuffix(f"-{kernel}")
    return parameters.replace(f"-{kernel}-", "-", 1)


def tenant_of(item: pytest.Item) -> str:
    """Return who shares an item's guest: a Python test does with its file's others."""
    return item.tenant if isinstance(item, CaseItem) else str(item.path)
