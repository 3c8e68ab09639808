"""Gathers what every process of a run found out, and writes the reports."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from runner import __version__, reports, sharding
from runner.errors import (
    ExitStatus,
    GuestError,
    InfrastructureError,
    RunnerError,
)
from runner.plugin import state
from runner.plugin.items import CaseItem, name_of_test
from runner.reports.terms import Report
from runner.results import (
    CaseResult,
    KernelRun,
    ObjectUse,
    Outcome,
    RunResults,
)
from runner.session import selection
from runner.session.case import is_deadly

# An item's place in the order of the collection, which reports keep.
ORDER = pytest.StashKey[int]()

_CASE = "case_result"
_KERNEL = "kernel_run"
_ORDER = "case_order"
_OBJECT = "object_use"


def attach(
    report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[None]
) -> None:
    """Put a case's result and its kernel's evidence into a report.

    As plain data, because pytest-xdist sends a report's attributes as JSON.
    """
    mark = item.get_closest_marker("kernel")
    if mark is None:
        return
    if isinstance(item, CaseItem):
        result = _of_suite(report, item, call)
    else:
        result = _of_test(report, item, call, mark.args[0])
    if result is None:
        return
    run = state.run_of(item.config)
    kernel = next(kernel for kernel in run.kernels if kernel.id == result.kernel)
    setattr(report, _ORDER, item.stash[ORDER])
    setattr(report, _CASE, result.model_dump(mode="json"))
    setattr(report, _KERNEL, run.kernel_run(kernel).model_dump(mode="json"))
    use = item.object_use() if isinstance(item, CaseItem) else None
    if use is not None:
        setattr(report, _OBJECT, use.model_dump(mode="json"))


def _of_suite(
    report: pytest.TestReport, item: CaseItem, call: pytest.CallInfo[None]
) -> CaseResult | None:
    if report.when != "call":
        return None
    if item.result is not None:
        return item.result
    # Neither a pass nor a verdict: a fault of this program.
    return CaseResult(
        kernel=item.kernel.id,
        suite=item.loaded.name,
        case=item.case.name,
        was=item.was,
        outcome=Outcome.ERROR,
        message=f"internal error: {call.excinfo.value!r}" if call.excinfo else "",
        failure_class="internal",
        cure="please report it with runner.log",
        nodeid=item.nodeid,
    )


def _of_test(
    report: pytest.TestReport,
    item: pytest.Item,
    call: pytest.CallInfo[None],
    kernel: str,
) -> CaseResult | None:
    if report.when != "call" and report.passed:
        return None
    error = call.excinfo.value if call.excinfo else None
    return CaseResult(
        kernel=kernel,
        suite=item.path.stem,
        case=name_of_test(item, kernel),
        outcome=_outcome(report, error),
        message=_message(report, error),
        failure_class=error.cause if isinstance(error, GuestError) else "",
        cure=error.hint if isinstance(error, RunnerError) else "",
        console=error.console if isinstance(error, GuestError) else "",
        log=report.longreprtext if report.failed else "",
        checked=1,
        duration=report.duration,
        nodeid=item.nodeid,
    )


def _outcome(report: pytest.TestReport, error: BaseException | None) -> Outcome:
    if report.skipped:
        return Outcome.SKIPPED
    if report.passed:
        return Outcome.PASSED
    if isinstance(error, GuestError) and is_deadly(error):
        return Outcome.FAILED
    if isinstance(error, RunnerError) or report.when != "call":
        return Outcome.ERROR
    return Outcome.FAILED


def _message(report: pytest.TestReport, error: BaseException | None) -> str:
    if isinstance(error, RunnerError):
        return error.message
    if error is None or report.passed:
        return ""
    lines = str(error).splitlines()
    return lines[0] if lines else repr(error)


def result_of(report: pytest.TestReport) -> CaseResult | None:
    """Return the case's result that a report carries, if it carries one."""
    found = getattr(report, _CASE, None)
    return None if found is None else CaseResult.model_validate(found)


class Recorder:
    """A plugin of the process that sees every report: writes files, sets the status."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._began = time.monotonic()
        self._started = datetime.now(UTC)
        self._cases: list[tuple[int, CaseResult]] = []
        self._kernels: dict[str, KernelRun] = {}
        self._objects: dict[tuple[str, str], ObjectUse] = {}
        # Tests that have nothing to do with the matrix.
        self._other_failures = 0
        self._complete = True
        # Set at the end of a run that had kernels.
        self.report: Report | None = None
        # What kept the reports from being written.
        self.unwritten: InfrastructureError | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a report carries."""
        found = result_of(report)
        if found is None:
            self._other_failures += report.failed
            return
        self._cases.append((getattr(report, _ORDER), found))
        kernel = KernelRun.model_validate(getattr(report, _KERNEL))
        self._kernels[kernel.id] = kernel
        if hasattr(report, _OBJECT):
            use = ObjectUse.model_validate(getattr(report, _OBJECT))
            self._objects[use.path, use.sha256] = use

    def pytest_keyboard_interrupt(self) -> None:
        """Say in the reports that cases are missing."""
        self._complete = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the reports, of a stopped run too, and set the exit status."""
        run = state.known_run(self._config)
        if run is None or not self._cases:
            return
        results = RunResults(
            runner=__version__,
            started=self._started.isoformat(timespec="seconds"),
            duration=time.monotonic() - self._began,
            complete=self._complete,
            kernels=tuple(
                self._kernels.get(kernel.id, run.kernel_run(kernel))
                for kernel in run.kernels
            ),
            cases=tuple(
                case for _, case in sorted(self._cases, key=lambda pair: pair[0])
            ),
            objects=tuple(self._objects[key] for key in sorted(self._objects)),
            shard=run.shard,
            selection=selection.describe(
                run.settings.kernels, self._config.args, self._config.option.keyword
            ),
        )
        self.report = state.terms_of(self._config).report(results)
        try:
            reports.write(self.report, run.settings.reports)
        except InfrastructureError as error:
            self.unwritten = error
        run.remember(sharding.seconds_of(results))
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = int(self._status(self.report))

    def _status(self, report: Report) -> ExitStatus:
        status = report.status
        if self._other_failures:
            return ExitStatus.INCOMPATIBLE
        if self.unwritten is not None and status is ExitStatus.COMPATIBLE:
            return ExitStatus.INFRASTRUCTURE
        return status

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the matrix below pytest's own summary."""
        if self.report is not None:
            run = state.run_of(self._config)
            terminalreporter.section("kernel matrix")
            terminalreporter.write_line(
                reports.summary_text(
                    self.report,
                    run.settings.reports,
                    file=terminalreporter._tw._file,
                    width=terminalreporter._tw.fullwidth,
                )
            )
        if self.unwritten is not None:
            terminalreporter.write_line(f"error: {self.unwritten}")
