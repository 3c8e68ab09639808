"""One case of a run on one kernel: its declared gap, or a guest, or a second one."""

from dataclasses import dataclass, replace

from runner.bpf.compile import ByteOrderError, CompileError
from runner.bpf.object import ObjectError
from runner.case import guestfit
from runner.case import run as case_run
from runner.case.attempt import CaseJob
from runner.case.states import NothingError
from runner.errors import TIMED_OUT, GuestError, RunnerError, UsageError
from runner.failures.classes import (
    DECLARED_GAP,
    KERNEL_WARNED,
    NOTHING_LOADED,
    WRONG_BYTE_ORDER,
)
from runner.guest.commands import Commands, Place
from runner.guest.environment import EnvironmentUnavailableError
from runner.guest.guest import Guest
from runner.guest.life import State
from runner.matrix.matrix import Kernel
from runner.results import CaseResult, Outcome
from runner.run import configoptions, guestplace, reuse
from runner.run.lease import GuestLease, Need
from runner.run.run import Run
from runner.suites.known import KnownKernel
from runner.suites.model import OTHER_LOADERS, Case
from runner.suites.suitefile import LoadedSuite

# Errors that are a test's or its object's, not the infrastructure's, and their classes.
# The first one counts.
_MISTAKES = (
    (CompileError, "compile_error"),
    (ByteOrderError, WRONG_BYTE_ORDER.name),
    (ObjectError, "bad_object"),
    (NothingError, NOTHING_LOADED.name),
    (UsageError, "suite_error"),
)


# Of a second try that ends as one of these, the message says that it is one.
_SAID = (TIMED_OUT, KERNEL_WARNED.name, "kernel_soft_lockup", "kernel_rcu_stall")

# What says nothing against a guest, nor against the case.
_GOOD = (Outcome.PASSED, Outcome.SKIPPED)

# Between a case and a test of its program, in reports.
BETWEEN = "::"


@dataclass(frozen=True, kw_only=True)
class KernelCase:
    """A case of a suite on one kernel."""

    loaded: LoadedSuite
    case: Case
    kernel: Kernel
    # What pytest calls it.
    nodeid: str
    # A test of its program; empty for the whole.
    test: str = ""

    @property
    def need(self) -> Need:
        """The guest that it shares with the cases of its object, or of its suite."""
        folder = self.loaded.folder
        # What a loader of the user loads, no other case may find in its guest.
        own = folder / (self.case.object or self.case.name)
        if self.case.isolate:
            own /= self.test
        wanted = self.loaded.suite.reuse
        is_proven = wanted == "proven"
        return Need(
            kernel=self.within,
            tenant=str(folder if wanted == "suite" else own),
            takes_used=is_proven and reuse.may_be_used(self.case),
            is_seen=is_proven and reuse.is_seen(self.case),
            runs_commands=reuse.runs_commands(self.case),
            splats=self.loaded.suite.splats,
        )

    @property
    def within(self) -> Kernel:
        """The kernel, with guests as the suite and the case want them."""
        return self.kernel.within(self.loaded.suite.guest, self.case.guest)

    @property
    def name(self) -> str:
        """What reports call it, next to its suite."""
        return name_of(self.case, self.test)

    @property
    def subject(self) -> str:
        """The object, or a loader, as the suite names it."""
        return self.case.object or (*self.case.command, *self.case.files)[0]

    @property
    def shown_object(self) -> str:
        """The same, as reports name it."""
        return self.loaded.shown(self.subject)

    def ended(
        self, outcome: Outcome, error: RunnerError, failure_class: str
    ) -> CaseResult:
        """Return the result of a case that an error ended before it ran."""
        return CaseResult(
            kernel=self.kernel.id,
            suite=self.loaded.name,
            case=self.name,
            outcome=outcome,
            message=error.message,
            failure_class=failure_class,
            cure=error.hint,
            console=error.console if isinstance(error, GuestError) else "",
            source=error.source if isinstance(error, CompileError) else "",
            object_path=self.shown_object,
            environment=self.within.guest.shown,
            nodeid=self.nodeid,
        )


def name_of(case: Case, test: str) -> str:
    """Return what reports call a test of a case's program; "" is the case itself."""
    return f"{case.name}{BETWEEN}{test}" if test else case.name


def perform(
    run: Run, case: KernelCase, guests: GuestLease, following: Need | None
) -> tuple[CaseResult, bytes]:
    """Run a case in a guest of its own; one for what follows is started meanwhile.

    Return how it ended, and the compiled object if it came to that.
    """
    gap = declared_gap(run, case)
    if gap is not None:
        return gap, b""
    compiled = extended = None
    try:
        require_guest(run, case)
        if case.case.object:
            source = case.loaded.file(case.case.object)
            build = case.case.build.on(case.kernel.architecture)
            compiled = run.compiled(source, case.case.vmlinux, build)
            if case.case.extends is not None:
                other = case.loaded.file(case.case.extends.object)
                extended = run.compiled(other, case.case.vmlinux, build)
            loader = case.case.loader_on(run.known(case.kernel))
            if loader in OTHER_LOADERS:
                # Before a guest waits for it.
                run.loader_program(loader)
    except EnvironmentUnavailableError as error:
        return unavailable(run, case, error), b""
    except RunnerError as error:
        mistake = class_of_mistake(error)
        outcome = Outcome.FAILED if mistake else Outcome.ERROR
        return case.ended(outcome, error, mistake or "infrastructure"), b""
    name = f"{case.loaded.name}.{case.case.name}"
    job = CaseJob(
        suite=case.loaded.name,
        case=case.case,
        object_path=compiled,
        shown_path=case.shown_object,
        extended_path=extended,
        nodeid=case.nodeid,
        folder=case.loaded.folder,
        commands=Commands(Place.of(run.settings.reports, case.kernel.id, name)),
        splats=case.loaded.suite.splats,
        loader_program=run.loader_program,
        update=run.settings.update,
    )
    try:
        result = _tried(job, guests, case.need, following)
        if result.failure_class == DECLARED_GAP.name:
            # The guest has found out what the kernel has.
            result = declared_gap(run, case) or result
    except EnvironmentUnavailableError as error:
        result = unavailable(run, case, error)
    except RunnerError as error:
        cause = error.cause if isinstance(error, GuestError) else "infrastructure"
        result = case.ended(Outcome.ERROR, error, cause)
    return result, b"" if compiled is None else compiled.read_bytes()


def require_guest(run: Run, case: KernelCase) -> None:
    """Refuse a guest that the case can't use. Raises EnvironmentUnavailableError.

    Of a kernel that could not be had too little is known to say so: the run ends for
    that, and not with a failure of the case.
    """
    if case.kernel.id in run.failures():
        return
    guestfit.require(
        case.case, case.within.guest, run.known(case.kernel), case.loaded.suite.cases
    )


def unavailable(
    run: Run, case: KernelCase, error: EnvironmentUnavailableError
) -> CaseResult:
    """Return the result of a case whose guest can't be had."""
    found = guestplace.located(
        error,
        case=case.case,
        suite=case.loaded,
        kernel=case.kernel.id,
        choice=run.settings.kernels,
    )
    return case.ended(Outcome.FAILED, found, found.failure_class)


def _tried(
    job: CaseJob, guests: GuestLease, need: Need, following: Need | None
) -> CaseResult:
    """Run a case, again in an untouched guest if a used one may be why it fails.

    What other objects did to a guest may not show in a census. So a failure counts only
    in a guest that served no other object. What a kernel reports of itself counts in
    any.
    """
    with guests.lease(need, following) as guest:
        first = _once(job, guest)
    is_used = guest.served > 0 and guests.has_untouched(need.kernel)
    counts = first.outcome is Outcome.FAILED and guest.has_reported
    if not is_used or counts or first.outcome in _GOOD:
        return _settled(job, guests, need, following, guest, first)
    if guest.life.state is State.LOST:
        guest.life.to(State.RETRIED)
    with guests.lease(need, following, untouched=True) as guest:
        again = _once(job, guest)
    settled = _settled(job, guests, need, following, guest, again)
    if settled.outcome not in _GOOD:
        return settled
    return settled.model_copy(update={"failed_in_used_guest": first.message})


def _once(job: CaseJob, guest: Guest) -> CaseResult:
    result = case_run.run(job, guest)
    guest.is_suspect |= result.outcome not in _GOOD
    return result.model_copy(update={"guest_served": guest.served})


def _settled(
    job: CaseJob,
    guests: GuestLease,
    need: Need,
    following: Need | None,
    guest: Guest,
    first: CaseResult,
) -> CaseResult:
    """Return a result, or a second try's if the first says nothing of the case.

    A busy host may be why a kernel stalled, or locked up and took its guest along. What
    does so again in an untouched guest is a failure.
    """
    is_lost = guest.life.state is State.LOST
    is_doubtful = is_lost or first.failure_class == KERNEL_WARNED.name
    if first.outcome is not Outcome.ERROR or not is_doubtful:
        return first
    if is_lost:
        guest.life.to(State.RETRIED)
    with guests.lease(need, following, untouched=True) as guest:
        second = _once(replace(job, is_last=True), guest)
    if guest.life.state is State.LOST:
        guest.life.to(State.GIVEN_UP)
    return _confirmed(second).model_copy(update={"flaky": first.message})


def _confirmed(second: CaseResult) -> CaseResult:
    """Return the result of a second try, which is the last one."""
    if second.outcome not in _GOOD and second.failure_class in _SAID:
        message = f"{second.message} (a second try, in a clean guest)"
        return second.model_copy(update={"message": message})
    return second


def class_of_mistake(error: BaseException | None) -> str:
    """Return the class of what is wrong with a test or its object, or nothing."""
    return next((name for kind, name in _MISTAKES if isinstance(error, kind)), "")


def declared_gap(run: Run, on: KernelCase) -> CaseResult | None:
    """Return the result of a case that does not run on this kernel."""
    case = on.case
    # Of a kernel that the run does not have, only the version is known.
    if all(_is_gap(case, run.known(it)) for it in run.matrix.kernels):
        file = run.settings.kernels.matrix
        mistake = UsageError(
            "; ".join(
                [
                    "this case never runs, because no kernel of the matrix meets "
                    f"what it needs: {case.where()}",
                    *configoptions.unknown(case, _all_known(run)),
                ]
            ),
            hint=f"add such a kernel to {file}, or drop the case",
        )
        return on.ended(Outcome.FAILED, mistake, "never_runs")
    known = run.known(on.kernel)
    if not _is_gap(case, known):
        return None
    why = "; ".join(
        [case.gap_on(known), *configoptions.mistyped(case, _all_known(run))]
    )
    return on.ended(Outcome.SKIPPED, UsageError(why), DECLARED_GAP.name)


def _is_gap(case: Case, known: KnownKernel) -> bool:
    """Whether it is known that a case does not run; what nobody has tried is not."""
    return not case.waits_for_boot(known) and bool(case.gap_on(known))


def _all_known(run: Run) -> list[KnownKernel]:
    return [run.known(it) for it in run.matrix.kernels]
