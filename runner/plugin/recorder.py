"""Gathers what every process of a run found out, and writes the reports."""

import functools
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from runner import reports
from runner.case import kernelreport
from runner.case.kernelreport import KernelWarnedError
from runner.case.verdict import is_deadly, refusal
from runner.errors import (
    ExitStatus,
    GuestError,
    InfrastructureError,
    InternalError,
    RunnerError,
    UsageError,
    is_out_of_memory,
)
from runner.failures.classes import NOTHING_CHECKED
from runner.guest.agenterrors import AgentError
from runner.guest.commands import Commands
from runner.plugin import names, state
from runner.plugin.items import CaseItem, kernel_of, name_of_test
from runner.reports.criteria import Report
from runner.reports.flaky import FlakyList
from runner.results import (
    CaseKey,
    CaseResult,
    CaseVerdict,
    FailedTest,
    KernelRun,
    ObjectUse,
    Outcome,
    RunResults,
)
from runner.run import recording, selection, sharding
from runner.run.recording import Update
from runner.run.retry import class_of_mistake
from runner.run.run import Run

# An item's place in the order of the collection, which reports keep.
ORDER = pytest.StashKey[int]()

# The commands that a test in Python ran in its guest.
COMMANDS = pytest.StashKey[Commands]()

# Whether its guest's log had no room for all that the kernel said.
LOST_LOG = pytest.StashKey[bool]()

# The result of a test in Python, as known before it is torn down.
_RESULT = pytest.StashKey[CaseResult]()

_NO_PARAMETERS = "got empty parameter set "
# Characters of a failed assertion.
_MOST_MESSAGE = 4000

_CASE = "case_result"
_MORE = "more_results"
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
        result = _of_test(report, item, call)
    if result is None:
        return
    item.stash[_RESULT] = result
    run = state.run_of(item.config)
    kernel = run.kernel(result.kernel)
    setattr(report, _ORDER, item.stash[ORDER])
    setattr(report, _CASE, result.model_dump(mode="json"))
    more = item.more if isinstance(item, CaseItem) else ()
    setattr(report, _MORE, [it.model_dump(mode="json") for it in more])
    setattr(report, _KERNEL, run.kernel_run(kernel).model_dump(mode="json"))
    if isinstance(item, CaseItem) and item.object_use is not None:
        setattr(report, _OBJECT, item.object_use.model_dump(mode="json"))


def _of_suite(
    report: pytest.TestReport, item: CaseItem, call: pytest.CallInfo[None]
) -> CaseResult | None:
    if report.when != "call":
        return None
    if item.result is not None:
        return item.result
    # Neither a pass nor a verdict: a fault of this program.
    message = f"internal error: {call.excinfo.value!r}" if call.excinfo else ""
    error = RunnerError(message, hint="please report it with runner.log")
    ended = item.on.ended(Outcome.ERROR, error, "internal")
    return ended.model_copy(update={"was": item.was})


def _of_test(
    report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[None]
) -> CaseResult | None:
    lost_log = item.stash.get(LOST_LOG, False)
    known = item.stash.get(_RESULT, None)
    if report.when != "call" and report.passed:
        if known is None or not lost_log:
            return None
        return known.model_copy(update={"log_incomplete": True})
    reason = _without_parameters(item)
    if reason:
        verdict = CaseVerdict(
            outcome=Outcome.FAILED,
            message=reason,
            failure_class=NOTHING_CHECKED.name,
            cure="give the parametrize values, or skip the test with a reason",
        )
        return _result(item, verdict)
    error = call.excinfo.value if call.excinfo else None
    has_failed = known is not None and known.outcome is Outcome.FAILED
    if known and has_failed and isinstance(error, KernelWarnedError):
        known = known.model_copy(update={"log_incomplete": lost_log})
        return kernelreport.also(known, error.report)
    commands = item.stash.get(COMMANDS, None)
    return _result(
        item,
        _verdict(report, error),
        log=_log(report, error),
        commands=() if commands is None else commands.since(),
        began=report.start,
        duration=report.duration,
        log_incomplete=lost_log,
    )


def _result(item: pytest.Item, verdict: CaseVerdict, **more: Any) -> CaseResult:
    key = _key_of(item)
    assert key is not None
    given = {**key._asdict(), **dict(verdict), **more}
    return CaseResult(**given, nodeid=item.nodeid)


def _verdict(report: pytest.TestReport, error: BaseException | None) -> CaseVerdict:
    console = ""
    if isinstance(error, KernelWarnedError):
        return error.verdict
    match error:
        case GuestError():
            name, cure, console = error.cause, error.hint, error.console
        case AgentError():
            found = refusal(error)
            name, cure = found.name, found.cure
        case _:
            name = class_of_mistake(error) or _class_of_machine(error)
            cure = error.hint if isinstance(error, RunnerError) else ""
    return CaseVerdict(
        outcome=_outcome(report, error),
        message=_message(report, error),
        failure_class=name,
        cure=cure,
        console=console,
        checked=1,
    )


def _without_parameters(item: pytest.Item) -> str:
    """Return pytest's words for a parametrize without values, or nothing.

    pytest marks such a test as skipped, or as expected to fail, with this reason.
    """
    reasons = [it.kwargs.get("reason", "") for it in item.iter_markers()]
    return next((it for it in reasons if str(it).startswith(_NO_PARAMETERS)), "")


def _outcome(report: pytest.TestReport, error: BaseException | None) -> Outcome:
    if report.skipped:
        return Outcome.SKIPPED
    if report.passed:
        return Outcome.PASSED
    if isinstance(error, GuestError) and is_deadly(error):
        return Outcome.FAILED
    if isinstance(error, AgentError) or class_of_mistake(error):
        return Outcome.FAILED
    # The rest is the test's own, also what a fixture of it raises.
    return Outcome.ERROR if _class_of_machine(error) else Outcome.FAILED


def _log(report: pytest.TestReport, error: BaseException | None) -> str:
    """Return what libbpf said, and the test's traceback."""
    said = error.log if isinstance(error, AgentError) else ""
    return said + (report.longreprtext if report.failed else "")


def _class_of_machine(error: BaseException | None) -> str:
    """Return the class of what says nothing about a test or its object, or nothing."""
    if isinstance(error, InternalError):
        return "internal"
    is_known = isinstance(error, RunnerError) or is_out_of_memory(error)
    return "infrastructure" if is_known else ""


def _message(report: pytest.TestReport, error: BaseException | None) -> str:
    if isinstance(error, RunnerError):
        return error.message
    if error is None or report.passed:
        return ""
    if isinstance(error, AssertionError):
        return _assertion(str(error)) or "AssertionError"
    words = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    # Else it looks like a line of the test that failed.
    where = "" if report.when == "call" else f"{report.when}: "
    return str(error) if report.skipped else _bounded(f"{where}{words}")


def _assertion(text: str) -> str:
    """Return a failed assertion: what was asserted, then the message that it has.

    pytest puts the message first, which may be all that a command printed, and indents
    its further lines.
    """
    said, found, asserted = text.rpartition("\nassert ")
    if not found:
        return _bounded(text)
    what, *why = asserted.splitlines()
    said = said.replace("\n  ", "\n")
    return _bounded("\n".join([f"assert {what}", said, *why]))


def _bounded(text: str) -> str:
    left = len(text) - _MOST_MESSAGE
    if left <= 0:
        return text
    half = _MOST_MESSAGE // 2
    return f"{text[:half]}\n[… {left} characters are left out …]\n{text[-half:]}"


def _key_of(item: pytest.Item) -> CaseKey | None:
    """Return what reports call an item; None for one that runs on no kernel."""
    kernel = kernel_of(item)
    if kernel is None:
        return None
    if isinstance(item, CaseItem):
        return CaseKey(kernel, item.loaded.name, item.on.name)
    return CaseKey(kernel, item.path.stem, name_of_test(item, kernel))


def result_of(report: pytest.TestReport) -> CaseResult | None:
    """Return the case's result that a report carries, if it carries one."""
    found = getattr(report, _CASE, None)
    return None if found is None else CaseResult.model_validate(found)


def kernel_run_of(report: pytest.TestReport) -> KernelRun:
    """Return the kernel of a report that carries a case's result."""
    return KernelRun.model_validate(getattr(report, _KERNEL))


def more_results_of(report: pytest.TestReport) -> list[CaseResult]:
    """Return what a program's run found out beside that: its subtests, for example."""
    found = getattr(report, _MORE, [])
    return [CaseResult.model_validate(it) for it in found]


def _require_known(flaky: FlakyList, planned: Iterable[CaseKey]) -> None:
    """Raise pytest's error for entries that no case of a run matches."""
    try:
        flaky.require_known(planned)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


class Recorder:
    """A plugin of the process that sees every report: writes files, sets the status."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        # The items that run on a kernel, by node id, and their places in the reports.
        self._planned: dict[str, CaseKey] = {}
        # Set at the end of a run that had a plan.
        self.report: Report | None = None
        self.status: ExitStatus | None = None
        # What kept the reports from being written.
        self.unwritten: InfrastructureError | None = None
        # What became of the files that cases record, with --update.
        self.updates: Sequence[Update] = ()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Write the plan, and start the first guests."""
        option = self._config.option
        broken = session.testsfailed and not option.continue_on_collection_errors
        if session.items and not option.collectonly and not broken:
            found = {item.nodeid: _key_of(item) for item in session.items}
            self._begin({it: key for it, key in found.items() if key is not None})

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Write the plan that the first worker sends: the others have the same."""
        run = state.known_run(self._config)
        if run is None or self._planned:
            return
        root = self._config.rootpath

        @functools.cache
        def suite_of(file: str) -> str:
            return run.load_suite(root / file).name

        kernels = [kernel.id for kernel in run.kernels]
        self._begin(names.keys_of(ids, kernels, suite_of))

    def _begin(self, planned: dict[str, CaseKey]) -> None:
        run = state.known_run(self._config)
        if run is None or not planned:
            return
        option = self._config.option
        flaky = state.criteria_of(self._config).flaky
        # These select cases, so that others than the planned ones exist.
        if flaky is not None and not (option.keyword or option.lf):
            _require_known(flaky, planned.values())
        self._planned = planned
        expression = self._config.option.keyword
        run.ledger.claim(lambda note: warnings.warn(note, stacklevel=1))
        run.ledger.begin(
            planned.values(),
            selection.describe(
                run.settings.kernels,
                self._config.args,
                expression,
                all_kernels=run.has_all_kernels,
            ),
        )
        if state.takes_part(self._config):
            run.prepare(self._config.getoption("lanes"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a report carries."""
        run = state.known_run(self._config)
        found = result_of(report)
        if run is None or found is None:
            self._take_other(report)
            return
        if self._planned.get(report.nodeid, found.key) != found.key:
            # What was known from its node id alone.
            self._planned[report.nodeid] = found.key
            run.ledger.correct(self._planned.values())
        run.ledger.add(
            found,
            order=getattr(report, _ORDER),
            kernel=kernel_run_of(report),
            use=ObjectUse.model_validate(getattr(report, _OBJECT))
            if hasattr(report, _OBJECT)
            else None,
        )
        for more in more_results_of(report):
            run.ledger.add(more, order=getattr(report, _ORDER), found=True)

    def _take_other(self, report: pytest.TestReport) -> None:
        """Take a report of a test without kernels, or of a worker that died."""
        run = state.known_run(self._config)
        key = self._planned.get(report.nodeid)
        if not report.failed:
            return
        if run is None:
            return
        if key is None:
            run.ledger.add_failed_test(
                FailedTest(nodeid=report.nodeid, message=_bounded(report.longreprtext))
            )
            return
        run.ledger.add(
            CaseResult(
                **key._asdict(),
                outcome=Outcome.ERROR,
                message=f"the process that ran the case died: {report.longreprtext}",
                failure_class="infrastructure",
                cure="check if the machine ran out of memory, and run the case again",
                nodeid=report.nodeid,
            ),
            order=list(self._planned).index(report.nodeid),
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the reports, of a stopped run too, and set the exit status."""
        run = state.known_run(self._config)
        if run is None or not run.ledger.has_plan:
            return
        results = run.ledger.finish()
        if run.settings.update:
            done = recording.update(results, self._folder_of(run))
            results, self.updates = done.results, done.updates
        self._remember_failures(results)
        self.report = state.criteria_of(self._config).report(results)
        try:
            reports.write(self.report, run.settings.reports)
        except InfrastructureError as error:
            self.unwritten = error
        run.remember(sharding.seconds_of(results))
        self.status = self._status(self.report, exitstatus)
        if exitstatus != pytest.ExitCode.INTERRUPTED:
            session.exitstatus = int(self.status)

    def _folder_of(self, run: Run) -> Callable[[CaseResult], Path]:
        root = self._config.rootpath

        @functools.cache
        def folder_of(file: str) -> Path:
            return run.load_suite(root / file).folder

        return lambda case: folder_of(case.nodeid.partition("::")[0])

    def _remember_failures(self, results: RunResults) -> None:
        """Let --lf select what only the comparison of all kernels has failed.

        On all kernels: one alone has nothing to be compared with.
        """
        plugin = self._config.pluginmanager.get_plugin("lfplugin")
        odd = {
            (it.suite, it.case)
            for it in results.cases
            if it.outcome is Outcome.FAILED
            and it.agreement is not None
            and it.agreement.own is not None
        }
        for case in results.cases:
            if plugin is not None and (case.suite, case.case) in odd and case.nodeid:
                plugin.lastfailed[case.nodeid] = True

    def _status(self, report: Report, exitstatus: int) -> ExitStatus:
        status = report.status
        fine = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if status is ExitStatus.COMPATIBLE and (self.unwritten or not fine):
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
                    run.settings.reports if self.unwritten is None else None,
                    file=terminalreporter._tw._file,
                    width=terminalreporter._tw.fullwidth,
                )
            )
        for update in self.updates:
            for line in update.lines():
                terminalreporter.write_line(line)
        if self.unwritten is not None:
            terminalreporter.write_line(f"error: {self.unwritten}")
