"""One case on one guest: load, attach, trigger, look, judge."""

import hashlib
import time
from collections.abc import Iterator, Sequence

from runner.case import cost, kernelreport, phases, verdict
from runner.case.attempt import Attempt, CaseJob
from runner.case.prediction import Foretold
from runner.errors import RunnerError
from runner.failures.classes import DECLARED_GAP, KERNEL_WARNED
from runner.guest import aftermath
from runner.guest.guest import Guest
from runner.results import (
    CaseResult,
    CaseVerdict,
    Outcome,
    Phases,
    PredictedFinding,
)


def run(job: CaseJob, guest: Guest) -> CaseResult:
    """Run a case and judge it. Never raises for what the object or the guest does."""
    # Only now it is known what a kernel has that was never booted before.
    gap = job.case.gap_on(guest.on) if job.case.needs is not None else ""
    if gap:
        return _skipped(job, guest, gap)
    attempt = Attempt(job=job, guest=guest)
    began, started = time.time(), time.monotonic()
    guest.commands, already = job.commands, job.commands.count
    with guest.agent.unwatched():
        own = _perform(attempt)
    after = aftermath.of(guest, attempt.loaded, attempt.extended)
    report = kernelreport.found(guest, after, (job.splats,), "".join(attempt.log))
    own = kernelreport.judged(
        own,
        report,
        job.case,
        guest.on,
        is_lost=after.is_lost,
        counts=attempt.counts(KERNEL_WARNED.name),
    )
    guest.before = f"{job.suite}::{job.case.name}"
    foretold, data = attempt.foretold, attempt.data
    return CaseResult(
        **dict(verdict.final(own, attempt)),
        kernel=guest.kernel.id,
        suite=job.suite,
        case=job.case.name,
        predicted=foretold.prediction.verdict.value
        if foretold.prediction and foretold.binds
        else "",
        findings=tuple(_findings(foretold, job.case.accept)),
        not_predicted=foretold.why_not,
        not_known=tuple(foretold.prediction.not_known) if foretold.prediction else (),
        loader=attempt.other.program.title if attempt.other else "",
        relocated_otherwise=attempt.differences,
        log="".join(attempt.log),
        commands=job.commands.since(already),
        left_behind=after.left,
        log_incomplete=after.incomplete,
        programs=attempt.states.programs,
        cost=cost.of(attempt),
        struct_ops=attempt.states.struct_ops,
        agreement=attempt.agreement,
        environment=guest.kernel.guest.shown,
        object_path=job.shown_path,
        object_sha256=hashlib.sha256(data).hexdigest() if data else "",
        began=began,
        duration=time.monotonic() - started,
        phases=Phases(**attempt.seconds),
        nodeid=job.nodeid,
    )


def _findings(
    foretold: Foretold, accepted: Sequence[str]
) -> Iterator[PredictedFinding]:
    """Yield what preflight says that no relocation shows."""
    found = foretold.prediction.findings if foretold.prediction else ()
    for it in found:
        place = it.place
        yield PredictedFinding(
            kind=it.kind.value,
            effect=it.effect.value,
            subject=it.subject,
            reason=it.reason,
            cure=it.cure,
            program=place.program,
            source=f"{place.file}:{place.line}" if place.file else "",
            accepted=it.is_accepted(accepted),
        )


def _skipped(job: CaseJob, guest: Guest, gap: str) -> CaseResult:
    return CaseResult(
        kernel=guest.kernel.id,
        suite=job.suite,
        case=job.case.name,
        outcome=Outcome.SKIPPED,
        message=gap,
        failure_class=DECLARED_GAP.name,
        environment=guest.kernel.guest.shown,
        object_path=job.shown_path,
        nodeid=job.nodeid,
    )


def _perform(attempt: Attempt) -> CaseVerdict:
    of_kind = phases.of_object if attempt.job.object_path else phases.of_commands
    try:
        return verdict.of_checks(attempt, of_kind(attempt))
    except RunnerError as error:
        return verdict.of_error(error, attempt)
