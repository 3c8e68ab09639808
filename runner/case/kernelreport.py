"""What a kernel reported of itself while a case ran, and survived: WARN, KASAN, …."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from runner.errors import RunnerError
from runner.failures import splats
from runner.failures.classes import KERNEL_WARNED, is_one_of
from runner.failures.splats import KernelReport
from runner.files.patternlist import ConsoleLines
from runner.guest.aftermath import Aftermath
from runner.guest.guest import Guest
from runner.results import CaseVerdict, Outcome
from runner.suites.known import KnownKernel
from runner.suites.model import Case

_NAME = KERNEL_WARNED.name
_Verdict = TypeVar("_Verdict", bound=CaseVerdict)


class KernelWarnedError(RunnerError):
    """The kernel reported a fault of its own while a test in Python ran."""

    def __init__(self, report: KernelReport) -> None:
        self.report = report
        self.verdict = of_report(report)
        super().__init__(self.verdict.message, hint=self.verdict.cure)


def found(
    guest: Guest,
    after: Aftermath,
    own: Sequence[ConsoleLines] = (),
    log: str = "",
) -> KernelReport | None:
    """Return the first report in what came of a case, a certain one if there is one.

    `own` are the lists of the suite, and `log` is the verifier's.
    """
    lists = (guest.kernel.splats, *own)
    # What the log has, the console most often has, too: one report is enough.
    texts = (after.logged, after.shown, log)
    reports = [it for text in texts if (it := splats.reported(text, lists))]
    report = min(reports, key=lambda it: it.again, default=None)
    if report is not None:
        report = replace(report, before=guest.before)
        guest.has_reported = True
    # A test in Python may want its guest to die.
    if report is not None and not after.is_lost:
        guest.unanswered.append(report)
    return report


def judged(
    verdict: CaseVerdict,
    report: KernelReport | None,
    case: Case,
    kernel: KnownKernel,
    *,
    is_lost: bool = False,
    counts: bool = False,
) -> CaseVerdict:
    """Return the verdict on a case, given what the kernel reported meanwhile.

    A case can't pass with it, nor with a failure that its suite declares; another
    failure stays what it is, with the report as evidence. `is_lost` says that the guest
    did not live to tell: of one that died, the end says what the report does. With
    `counts`, a report counts that a busy host explains as well.
    """
    if report is None or verdict.failure_class == _NAME:
        return verdict
    if verdict.outcome is Outcome.ERROR:
        return of_error(verdict, report, case, counts=counts)
    if is_lost:
        return verdict
    declared = case.failure_on(kernel)
    excused = declared is not None and is_one_of(
        verdict.failure_class, declared.classes
    )
    if verdict.outcome is Outcome.FAILED and not excused:
        return also(verdict, report)
    return of_report(report, counts=counts)


def also(verdict: _Verdict, report: KernelReport) -> _Verdict:
    """Return a failure of another kind, with a report as evidence."""
    said = f"{verdict.message}; the kernel also reported: {report.line}"
    return verdict.model_copy(update={"message": said, "console": report.text})


def of_error(
    error: CaseVerdict, report: KernelReport, case: Case, *, counts: bool
) -> CaseVerdict:
    """Return the verdict on an error that came with a report.

    A second try may end well, and would not take back what the kernel said, unless a
    busy host explains that, and nothing `counts` yet. A report that the suite declares
    excuses no error: what else was to be seen was not.
    """
    declared = case.expect_failure
    if declared is not None and is_one_of(_NAME, declared.classes):
        return also(error, report)
    if report.again and not counts:
        return error
    reported = of_report(report, counts=counts)
    message = f"{reported.message}; then: {error.message}"
    return reported.model_copy(update={"message": message})


def of_report(report: KernelReport, *, counts: bool = False) -> CaseVerdict:
    """Return the verdict on what made a kernel report something.

    With `counts`, a busy host does not explain it: nobody tries again.
    """
    said = f"the kernel reported: {report.line} ({report.reason})"
    if report.before:
        said += f"; {report.before} ran in this guest before, and may be the reason"
    return CaseVerdict(
        # A second try tells whether the host was the reason.
        outcome=Outcome.ERROR if report.again and not counts else Outcome.FAILED,
        message=said,
        failure_class=_NAME,
        cure=KERNEL_WARNED.cure,
        console=report.text,
        checked=1,
    )
