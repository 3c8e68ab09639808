"""A case with a command on one kernel: its program, in as many guests as it takes.

One guest serves all tests. A test that takes the program or its guest down has that
verdict; those that have not run by then run in another, clean guest.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from runner.case import (
    heldmaps,
    kernelreport,
    loadrecord,
    program,
    programverdict,
)
from runner.case.program import ProgramJob, ProgramRun
from runner.case.verdict import compare_with_suite
from runner.errors import GuestError, RunnerError, UsageError
from runner.failures.classes import DECLARED_GAP, KERNEL_WARNED, is_one_of
from runner.files import shipped
from runner.guest.commands import Commands, Place
from runner.guest.environment import EnvironmentUnavailableError
from runner.guest.image import initramfs
from runner.harness.tests import Test
from runner.programs.errors import ProgramError
from runner.results import CaseResult, CaseVerdict, LoadRecord, Outcome, Phases
from runner.run.lease import GuestLease, Need
from runner.run.retry import (
    KernelCase,
    declared_gap,
    name_of,
    require_guest,
    unavailable,
)
from runner.run.run import Run
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite
from runner.versions import KernelVersion

# That keeps names of programs and maps (cb4d2b3f03d8, ad5b177bd73f).
_FIRST_NAMES = KernelVersion.parse("4.15")
# Classes of what a busy host explains as well.
_DOUBTFUL = (KERNEL_WARNED.name, "kernel_soft_lockup", "kernel_rcu_stall")
_DISTURBED = "it traces processes itself, and ran once more without a recorder"


def names_of(run: Run, loaded: LoadedSuite, case: Case) -> tuple[str, ...]:
    """Return the tests that a case's program lists, and "" for the program itself.

    The program has a result of its own, which is there when all else is: tests that
    only show while it runs are in the plan with it.
    """
    tests = run.tests_of(loaded, case) if case.results != "exit" else ()
    return tests if tests and case.isolate else ("", *tests)


@dataclass(kw_only=True)
class Performed:
    """How a case with a command ended."""

    # The command's.
    own: CaseResult
    # Of its tests, by their names, in the order in which they ran.
    tests: Mapping[str, CaseResult] = field(default_factory=dict)


def perform(
    run: Run,
    case: KernelCase,
    names: Sequence[str] | None,
    guests: GuestLease,
    following: Need | None,
) -> Performed:
    """Run a program with some of its tests; None is all, also those nobody knows."""
    gap = declared_gap(run, case)
    if gap is not None:
        return _everywhere(case, gap, names)
    if case.case.isolate and not case.test:
        mistake = UsageError(
            "isolate: the tests of this program can't be listed before it runs",
            hint="it needs `results: gotest`, `cargo` or `gtest`, a program that this "
            "machine can start, and no arguments that choose tests",
        )
        return Performed(own=case.ended(Outcome.FAILED, mistake, "suite_error"))
    name = f"{case.loaded.name}.{case.name}"
    try:
        require_guest(run, case)
    except EnvironmentUnavailableError as error:
        ended = unavailable(run, case, error)
        return _everywhere(case, ended, names)
    try:
        root = run.root_of(case.loaded, case.case, case.kernel.architecture)
        headers = run.headers_of(case.kernel, case.case, root)
    except RunnerError as error:
        mistaken = isinstance(error, UsageError)
        ended = (
            case.ended(Outcome.FAILED, error, "suite_error")
            if mistaken
            else case.ended(Outcome.ERROR, error, "infrastructure")
        )
        return _everywhere(case, ended, names)
    try:
        job = program.job(
            case.case,
            case.loaded.file,
            architecture=case.kernel.architecture,
            commands=Commands(Place.of(run.settings.reports, case.kernel.id, name)),
            show=functools.partial(run.show_output, case.kernel.id),
            own=initramfs.commands(shipped.IMAGES),
            splats=case.loaded.suite.splats,
            root=root,
            headers=headers,
            listed=run.tests_of(case.loaded, case.case),
        )
    except ProgramError as error:
        verdict = programverdict.of_program_error(error)
        return _everywhere(case, _result(case, verdict), names)
    except RunnerError as error:
        ended = case.ended(Outcome.FAILED, error, "suite_error")
        return _everywhere(case, ended, names)
    return _Rounds(run, job, case, guests, following).all(names)


def _everywhere(
    case: KernelCase, own: CaseResult, names: Sequence[str] | None
) -> Performed:
    """Return one result for a command and each of its tests."""
    tests = {
        name: own.model_copy(update={"case": name_of(case.case, name)})
        for name in names or ()
    }
    return Performed(own=own, tests=tests)


def _result(
    case: KernelCase, verdict: CaseVerdict, test: str = "", **more: object
) -> CaseResult:
    given: dict[str, object] = {
        **dict(verdict),
        "kernel": case.kernel.id,
        "suite": case.loaded.name,
        "case": name_of(case.case, test),
        "environment": case.within.guest.shown,
        "object_path": case.shown_object,
        **more,
    }
    return CaseResult.model_validate(given)


class _GapError(UsageError):
    """A guest has found out that its kernel lacks what the case needs."""


class _Rounds:
    """The guests that a program takes, one after the other."""

    def __init__(
        self,
        run: Run,
        job: ProgramJob,
        case: KernelCase,
        guests: GuestLease,
        following: Need | None,
    ) -> None:
        self._run = run
        self._known = run.known(case.kernel)
        self._job = job
        self._case = case
        self._guests = guests
        self._following = following
        # Those that count.
        self._runs: list[ProgramRun] = []
        # Of guests.
        self._count = 0
        self._tests: dict[str, CaseResult] = {}
        # Whether its recorder was in its way, so that it runs without.
        self._is_disturbed = False
        # Why the first try of a round lost its guest, or took too long.
        self._flaky = ""
        # Whether what a busy host explains as well counts at once: the suite declares
        # it, or it came again at a second try.
        declared = job.case.failure_on(self._known)
        self._counts = declared is not None and any(
            is_one_of(it, declared.classes) for it in _DOUBTFUL
        )
        # What a guest died of while no test is known that does this alone.
        self._death: CaseVerdict | None = None

    def all(self, names: Sequence[str] | None) -> Performed:
        """Run until every test has a result."""
        left = None if names is None else tuple(names)
        while True:
            try:
                left = self._next(left)
            except _GapError as gap:
                ended = self._case.ended(Outcome.SKIPPED, gap, DECLARED_GAP.name)
                return self._with_rest(ended, left)
            except EnvironmentUnavailableError as error:
                ended = unavailable(self._run, self._case, error)
                return self._with_rest(ended, left)
            except RunnerError as error:
                # No guest came up.
                cause = error.cause if isinstance(error, GuestError) else ""
                ended = self._case.ended(
                    Outcome.ERROR, error, cause or "infrastructure"
                )
                return self._with_rest(ended, left)
            if not left:
                return Performed(own=self._own(), tests=self._tests)

    def _next(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """Run some tests, and return those that have no result yet."""
        done = self._round(names)
        wanted = done.wanted or ()
        death = self._death_of(done)
        if death is not None and done.suspect and len(wanted) > 1:
            # The last words of a guest that died may not have left it: another test
            # may have been at work than the one that was seen last.
            self._take(done, only_ended=True)
            self._death = self._death or death
            self._next((done.suspect,))
            ended = {it.name for it in done.tests if it.state.is_over}
            return tuple(it for it in wanted if it not in {*ended, done.suspect})
        if death is not None and done.suspect:
            # It was alone.
            self._death = None
            if not done.tests.by_name:
                done.tests.start(done.suspect)
        self._take(done)
        self._runs.append(done)
        rest = done.rest
        if rest == done.wanted:
            self._take_missing(done, rest)
            return ()
        return rest

    def _death_of(self, done: ProgramRun) -> CaseVerdict | None:
        """Return what a guest died of that a program took down."""
        verdict = programverdict.of_end(done, self._job.case)
        if not done.is_lost or verdict is None:
            return None
        return verdict if verdict.outcome is Outcome.FAILED else None

    def _with_rest(self, ended: CaseResult, left: Sequence[str] | None) -> Performed:
        performed = _everywhere(self._case, ended, left)
        return Performed(own=ended, tests={**self._tests, **performed.tests})

    def _round(self, names: Sequence[str] | None) -> ProgramRun:
        """Run once, and again in a clean guest if that says nothing of the program."""
        done = self._once(names)
        verdict = programverdict.of_end(done, self._job.case)
        if verdict is not None and done.is_disturbed:
            # It may fail because it was recorded.
            unrecorded = self._job.case.model_copy(update={"record": False})
            self._job = replace(self._job, case=unrecorded)
            self._is_disturbed = True
            done = self._once(names)
            verdict = programverdict.of_end(done, self._job.case)
        if verdict is not None and verdict.outcome is Outcome.ERROR:
            again = done.wanted
            if again is not None:
                # What has ended keeps its result.
                self._take(done, only_ended=True)
                ended = {it.name for it in done.tests if it.state.is_over}
                again = tuple(it for it in again if it not in ended)
            if again is None or again:
                self._flaky = verdict.message
                done = self._once(again, is_last=True)
                second = programverdict.of_end(done, self._job.case)
                self._counts |= second is not None and (
                    second.failure_class in _DOUBTFUL
                )
        return done

    def _once(
        self, names: Sequence[str] | None, *, is_last: bool = False
    ) -> ProgramRun:
        need = self._case.need
        if self._count:
            # Another tenant gets another guest.
            need = Need(
                kernel=need.kernel,
                tenant=f"{need.tenant}#{self._count}",
                splats=need.splats,
            )
        self._count += 1
        with self._guests.lease(need, self._following) as guest:
            # What only a guest knows is known now.
            if self._job.case.needs is not None:
                gap = self._job.case.gap_on(guest.on)
                if gap:
                    raise _GapError(gap)
            is_last |= self._counts
            done = program.run(self._job, guest, names, is_last=is_last)
            guest.before = f"{self._case.loaded.name}::{self._case.name}"
            return done

    def _take(self, done: ProgramRun, *, only_ended: bool = False) -> None:
        blamed = done.blamed
        for test in done.tests:
            if not test.state.is_over and (only_ended or not _is_blamed(test, blamed)):
                continue
            verdict = programverdict.of_test(test, done, self._job.case)
            printed = programverdict.printed_by(test, done)
            self._tests[test.name] = _result(
                self._case,
                verdict,
                test.name,
                commands=() if printed is None else (printed,),
                duration=test.seconds or 0.0,
            )

    def _take_missing(self, done: ProgramRun, rest: Sequence[str]) -> None:
        for name in rest:
            verdict = programverdict.missing(done, self._job.case)
            self._tests[name] = _result(self._case, verdict, name)

    def _own(self) -> CaseResult:
        if self._death is not None:
            message = f"{self._death.message}; none of its tests does this alone"
            verdict = self._death.model_copy(update={"message": message})
        elif self._job.harness is None or self._is_plain:
            verdict = self._of_exit()
        else:
            verdict = programverdict.of_tests(self._runs, self._tests, self._job.case)
            verdict = self._of_loads(verdict)
        return _result(
            self._case,
            verdict,
            commands=self._job.commands.since(),
            recorded=self._recorded,
            left_behind=tuple(
                dict.fromkeys(left for it in self._runs for left in it.left_behind)
            ),
            log_incomplete=any(it.log_incomplete for it in self._runs),
            began=min((it.began for it in self._runs), default=0.0),
            duration=sum(it.copying + it.running for it in self._runs),
            phases=Phases(
                load=sum(it.copying for it in self._runs),
                trigger=sum(it.running for it in self._runs),
            ),
            flaky=self._flaky,
        )

    @property
    def _is_plain(self) -> bool:
        """Whether `auto` found nothing but an exit status."""
        return self._job.case.results == "auto" and not any(
            run.tests.by_name or run.tests.problems or run.wanted for run in self._runs
        )

    def _of_exit(self) -> CaseVerdict:
        last, case = self._runs[-1], self._job.case
        passed = CaseVerdict(outcome=Outcome.PASSED, checked=1)
        verdict = programverdict.of_end(last, case) or self._of_loads(passed)
        judged = kernelreport.judged(
            verdict,
            last.report,
            case,
            self._known,
            is_lost=last.is_lost,
            counts=last.is_last,
        )
        return compare_with_suite(judged, case, self._known)

    @property
    def _recorded(self) -> LoadRecord | None:
        """What all runs that count loaded."""
        found = [it.recorded for it in self._runs if it.recorded is not None]
        if self._is_disturbed:
            found.append(LoadRecord(missing=(_DISTURBED,)))
        return loadrecord.merged(found) if found else None

    def _of_loads(self, verdict: CaseVerdict) -> CaseVerdict:
        """Return a verdict after what the suite expects to be loaded."""
        is_old = (self._known.version or _FIRST_NAMES) < _FIRST_NAMES
        held = heldmaps.merged(run.held for run in self._runs)
        return programverdict.of_loads(
            verdict, self._recorded, held, self._job.case, is_old=is_old
        )


def _is_blamed(test: Test, blamed: Test | None) -> bool:
    """Whether a test ran when all ended, or has one that did inside of it."""
    return blamed is not None and (
        test is blamed or blamed.name.startswith(f"{test.name}/")
    )
