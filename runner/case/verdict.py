"""What the end of a case means: its checks, an error, and what its suite declares."""

import logging
from typing import Any

from runner.bpf import object as bpf_object
from runner.bpf.debuginfo import DebugInfo
from runner.bpf.object import ObjectError
from runner.case import (
    blame,
    comparing,
    guestverdict,
    nearplaces,
    securityhooks,
    singly,
)
from runner.case.attempt import Attempt
from runner.case.phases import Checked
from runner.case.prediction import disagreement
from runner.case.states import NothingError
from runner.errors import TIMED_OUT, GuestError, RunnerError, UsageError
from runner.facts.model import Presence
from runner.failures import attachrefusals, splats
from runner.failures.classes import (
    ATTACH_TARGET_MISSING,
    COMMAND_FAILED,
    LOADER_CRASHED,
    LOADER_FAILED,
    LSM_NOT_CALLED,
    NEVER_RAN,
    NOTHING_ATTACHED,
    NOTHING_CHECKED,
    NOTHING_LOADED,
    OUT_OF_MEMORY,
    PREDICTION_WRONG,
    RECORD_DIFFERS,
    RECORD_MISSING,
    RELOCATED_OTHERWISE,
    UNEXPECTED_PASS,
    VERIFIER_TOO_SLOW,
    WRONG_VALUE,
    FailureClass,
    is_one_of,
)
from runner.failures.classify import (
    Classification,
    as_class,
    classify,
    classify_oops,
    classify_printed,
)
from runner.guest.agenterrors import AgentError
from runner.guest.commands import CommandFailedError, last_line
from runner.results import CaseVerdict, Outcome
from runner.suites.checks.text import listing
from runner.suites.known import KnownKernel
from runner.suites.model import OTHER_LOADERS, Case

log = logging.getLogger(__name__)

# What refuses objects; other operations fail.
_LOADING = ("open", "load", "attach", "register")

# What the console says of a guest that the object took down with it. Anything else
# that ends a guest is the infrastructure's.
DEADLY = {"panic", "oops", "soft_lockup", "rcu_stall", "out_of_memory"}


def of_checks(attempt: Attempt, checked: Checked) -> CaseVerdict:
    """Return the verdict on a case that ran to its end."""
    count = len(attempt.case.expect) - len(checked.not_available)
    missing = checked.not_available
    if not count:
        words = "; ".join(["nothing was checked", *missing])
        return _failure(NOTHING_CHECKED, words, not_available=missing)
    uncalled = securityhooks.uncalled(attempt)
    if uncalled and (checked.mismatches or not attempt.ran):
        return _failure(
            LSM_NOT_CALLED,
            "; ".join([uncalled, *map(str, checked.mismatches[:1])]),
            mismatches=checked.mismatches,
            matches=checked.matches,
            checked=count,
            not_available=missing,
        )
    if checked.mismatches:
        return _failure(
            WRONG_VALUE,
            str(checked.mismatches[0]),
            cure=WRONG_VALUE.cure if attempt.ran else NEVER_RAN.explanation,
            mismatches=checked.mismatches,
            matches=checked.matches,
            checked=count,
            not_available=missing,
        )
    if not attempt.ran:
        return _failure(
            NEVER_RAN, "no program of the object ran", not_available=missing
        )
    if checked.unrecorded:
        words = f"nothing is recorded yet: there is no {listing(checked.unrecorded)}"
        return _failure(RECORD_MISSING, words, checked=count, not_available=missing)
    if checked.differences:
        return _failure(
            RECORD_DIFFERS,
            str(checked.differences[0]),
            mismatches=checked.differences,
            checked=count,
            not_available=missing,
        )
    # Those are checked when all kernels have given theirs.
    found = attempt.agreement.found if attempt.agreement else ()
    count -= sum(not it.file for it in found)
    return CaseVerdict(
        outcome=Outcome.PASSED,
        message="" if attempt.case.must_run else attempt.states.shortfall,
        checked=count,
        matches=checked.matches,
        not_available=missing,
    )


def of_error(error: RunnerError, attempt: Attempt) -> CaseVerdict:
    """Return the verdict on a case that an error ended."""
    match error:
        case CommandFailedError():
            return _of_command(error, attempt)
        case NothingError():
            failure = NOTHING_ATTACHED if error.loaded else NOTHING_LOADED
            return _failure(failure, error.message)
        case AgentError():
            attempt.log.append(error.log)
            return _of_refusal(error, attempt)
        case GuestError():
            return _of_loss(error, attempt)
        case UsageError():
            return _of_other(error, "suite_error", Outcome.FAILED)
        case _:
            return _of_other(error, "infrastructure", Outcome.ERROR)


def _failure(failure: FailureClass, message: str, **more: Any) -> CaseVerdict:
    given = {"failure_class": failure.name, "cure": failure.cure, **more}
    return CaseVerdict(outcome=Outcome.FAILED, message=message, **given)


def _of_other(
    error: RunnerError, class_: str, outcome: Outcome, console: str = ""
) -> CaseVerdict:
    return CaseVerdict(
        outcome=outcome,
        message=error.message,
        failure_class=class_,
        cure=error.hint,
        console=console,
    )


def _of_command(error: CommandFailedError, attempt: Attempt) -> CaseVerdict:
    loads = error.loads and not attempt.case.object
    failure = LOADER_FAILED if loads else COMMAND_FAILED
    found = classify_printed(error.words) if loads else None
    quoted = last_line(error.words)
    printed = f'it printed "{quoted}". ' if quoted else "it printed nothing. "
    cure = found.cure if found else failure.cure
    return _failure(
        failure,
        error.message,
        failure_class=found.name if found else failure.name,
        cure=printed + cure[0].upper() + cure[1:],
    )


# ----------------------------------------------------------------- refusals


def _of_refusal(error: AgentError, attempt: Attempt) -> CaseVerdict:
    operation = error.operation
    if operation not in _LOADING:
        return _of_other(error, f"{operation}_failed", Outcome.FAILED)
    info = _debug_information(attempt.data)
    sizes = {program.name: program.size for program in info.programs.values()}
    # What the agent attaches by itself, libbpf says nothing of.
    words = error.log or error.message
    found = classify(
        words,
        operation,
        error.errno_name,
        sizes,
        other_library=attempt.loader in OTHER_LOADERS,
    )
    found = _of_place(error, attempt) or found
    found = guestverdict.refined(
        found, words, attempt.guest, attempt.foretold.prediction
    )
    blamed = blame.blame(
        blame.Evidence(
            found=found,
            log=error.log,
            data=attempt.data,
            info=info,
            prediction=attempt.foretold.prediction,
            known=attempt.guest.known,
        )
    )
    at = f" at {blamed.source}" if blamed.source else ""
    also = f"; and so for {listing(error.also)}" if error.also else ""
    each = singly.summary(attempt.states)
    each = f"; {each}" if each else ""
    return CaseVerdict(
        outcome=Outcome.FAILED,
        message=f"{operation} refused{at}: {found.line or error.message}{also}{each}",
        failure_class=found.name,
        cure=blamed.cure or found.cure + _near(found, error.place, attempt),
        source=blamed.source,
    )


def _near(found: Classification, place: str, attempt: Attempt) -> str:
    """Return what the kernel has instead of a place of the suite; or nothing."""
    if found.name != ATTACH_TARGET_MISSING.name:
        return ""
    names = ", ".join(nearplaces.near(place, attempt.guest))
    return f". Instead of {place} this kernel has: {names}" if names else ""


def _of_place(error: AgentError, attempt: Attempt) -> Classification | None:
    """Return what a refusal means by where a program was to be attached."""

    def lacks(key: str, name: str) -> bool:
        return attempt.guest.on.judge(key, name).presence is Presence.ABSENT

    return attachrefusals.classified(
        error.place, error.errno_name, error.message, lacks
    )


def _debug_information(data: bytes) -> DebugInfo:
    try:
        return bpf_object.read(data).debug
    except ObjectError as error:
        # libbpf is the judge of that.
        log.debug("%s", error)
        return DebugInfo(programs={}, lines={}, relocations={})


def refusal(error: AgentError) -> Classification:
    """Return what a refusal means that a test in Python has met."""
    if error.operation in _LOADING:
        return classify(error.log, error.operation, error.errno_name)
    if error.operation == "run":
        return as_class(COMMAND_FAILED)
    return Classification(name=f"{error.operation}_failed", line="", cure=error.hint)


# -------------------------------------------------------------- lost guests


def is_deadly(error: GuestError) -> bool:
    """Whether a guest died of what ran in it, which is a word about the object."""
    return error.cause in DEADLY


def _of_loss(error: GuestError, attempt: Attempt) -> CaseVerdict:
    if error.cause == VERIFIER_TOO_SLOW.name:
        return _of_other(error, error.cause, Outcome.FAILED)
    if error.cause == TIMED_OUT:
        return _of_other(error, TIMED_OUT, Outcome.ERROR, error.console)
    found = _known_loss(error, attempt)
    deadly = is_deadly(error)
    own = f"kernel_{error.cause}" if deadly else error.cause
    counts = deadly and (not splats.is_doubtful(error.cause) or attempt.counts(own))
    return CaseVerdict(
        outcome=Outcome.FAILED if found or counts else Outcome.ERROR,
        message=f"the guest was lost: {error.message}",
        failure_class=found.name if found else own,
        cure=found.cure if found else error.hint,
        console=error.console,
    )


def of_lost_guest(error: GuestError, *, is_last: bool) -> CaseVerdict:
    """Return the verdict on a program whose guest was lost while it ran.

    `is_last` says that what a busy host explains as well counts.
    """
    if error.cause == TIMED_OUT:
        return _of_other(error, TIMED_OUT, Outcome.ERROR, error.console)
    found = as_class(OUT_OF_MEMORY) if error.cause == "out_of_memory" else None
    deadly = is_deadly(error)
    own = f"kernel_{error.cause}" if deadly else error.cause
    counts = deadly and (is_last or not splats.is_doubtful(error.cause))
    return CaseVerdict(
        outcome=Outcome.FAILED if counts else Outcome.ERROR,
        message=f"the guest was lost: {error.message}",
        failure_class=found.name if found else own,
        cure=found.cure if found else error.hint,
        console=error.console,
    )


def _known_loss(error: GuestError, attempt: Attempt) -> Classification | None:
    if error.cause == "out_of_memory":
        return as_class(OUT_OF_MEMORY)
    if attempt.is_ready:
        return None
    if error.cause == "agent_crashed":
        return as_class(LOADER_CRASHED)
    if error.cause == "oops":
        guest = attempt.guest
        return classify_oops(guest.vm.console(), guest.known)
    return None


# ------------------------------------------- what was declared and predicted


def final(verdict: CaseVerdict, attempt: Attempt) -> CaseVerdict:
    """Return a verdict after the suite's declared failure, and the prediction."""
    verdict = _with_differences(verdict, attempt)
    declared = verdict
    if not _decided_later(verdict, attempt):
        declared = compare_with_suite(verdict, attempt.case, attempt.guest.on)
    prediction = attempt.foretold.prediction
    binds = attempt.foretold.binds
    if prediction is None or not binds or verdict.outcome is Outcome.ERROR:
        return declared
    wrong = disagreement(
        prediction, loaded=attempt.is_ready, failure_class=verdict.failure_class
    )
    if not wrong:
        return declared
    failure = {
        "outcome": Outcome.FAILED,
        "message": wrong,
        "failure_class": PREDICTION_WRONG.name,
        "cure": PREDICTION_WRONG.explanation,
    }
    return declared.model_copy(update=failure)


def _decided_later(verdict: CaseVerdict, attempt: Attempt) -> bool:
    """Whether a case is declared to differ from other kernels, which decide that."""
    return (
        verdict.outcome is Outcome.PASSED
        and attempt.agreement is not None
        and bool(attempt.agreement.declared)
        and comparing.is_pending(attempt.agreement)
    )


def _with_differences(verdict: CaseVerdict, attempt: Attempt) -> CaseVerdict:
    """Return a verdict that says where the loader relocated otherwise than libbpf.

    What passes is a failure then: it may read right on this kernel, and for this case.
    """
    if not attempt.differences or verdict.outcome is Outcome.ERROR:
        return verdict
    first, *others = attempt.differences
    more = f" (and {len(others)} more)" if others else ""
    words = f"{attempt.loader} relocates otherwise than libbpf: {first}{more}"
    if verdict.outcome is Outcome.PASSED:
        return _failure(
            RELOCATED_OTHERWISE, words, source=first.source, checked=verdict.checked
        )
    return verdict.model_copy(update={"message": f"{verdict.message}; {words}"})


def compare_with_suite(
    verdict: CaseVerdict, case: Case, kernel: KnownKernel
) -> CaseVerdict:
    """Return a verdict after the failure that a case declares for a kernel."""
    declared = case.failure_on(kernel)
    if declared is None or verdict.outcome is Outcome.ERROR:
        return verdict
    expected = f"{' or '.join(declared.classes)} ({declared.reason})"
    if verdict.outcome is Outcome.PASSED:
        return _failure(
            UNEXPECTED_PASS,
            f"passed, but the suite declares that it fails: {expected}",
        )
    if not is_one_of(verdict.failure_class, declared.classes):
        return verdict.model_copy(
            update={
                "message": f"failed as {verdict.failure_class}, not as declared, "
                f"{expected}: {verdict.message}",
                "checked": 0,
                "not_available": (),
            }
        )
    return CaseVerdict(
        outcome=Outcome.SKIPPED if declared.is_gap else Outcome.PASSED,
        message=f"fails as declared: {expected}",
        failure_class=verdict.failure_class,
        source=verdict.source,
        checked=1,
        console=verdict.console,
    )
