"""What the end of a program means: for each of its tests, and as a whole."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from runner.case import heldmaps, kernelreport
from runner.case.heldmaps import HeldMaps
from runner.case.program import ProgramRun
from runner.case.verdict import of_lost_guest
from runner.errors import TIMED_OUT, GuestError, UsageError
from runner.failures.classes import (
    COMMAND_FAILED,
    LEFT_RUNNING,
    LIBRARY_MISSING,
    LOADED_OTHERWISE,
    NOTHING_CHECKED,
    PROGRAM_BAD,
    PROGRAM_KILLED,
    RESULTS_BAD,
    TEST_DIED,
    TEST_FAILED,
    TEST_MISSING,
    TEST_SKIPPED,
    WRONG_VALUE,
    FailureClass,
)
from runner.failures.classify import classify_printed
from runner.guest import timely
from runner.guest.agenterrors import AgentError
from runner.guest.commands import last_line
from runner.guest.replies import CommandEnd
from runner.harness.tests import HarnessState, Test
from runner.programs.errors import ProgramError
from runner.results import CaseVerdict, LoadRecord, Outcome, Printed, ended
from runner.suites import checks
from runner.suites.checks import Observations, evidence, loaded
from runner.suites.checks.text import listing
from runner.suites.model import (
    Case,
    MapExpectation,
    RowsExpectation,
    ShowExpectation,
)

# What glibc's dynamic linker prints, and musl's.
_NO_LIBRARY = re.compile(
    r"error while loading shared libraries: (\S+): cannot open shared object file|"
    r"Error loading shared library (\S+):"
)
_PANIC = re.compile(r"panic: |fatal error: |thread '.*' .*panicked at ")
# Of Go's runtime; its testing package ends with 1 if tests failed.
_GO_PANICKED = 2
_SHOWN_TESTS = 5
_PASSED = CaseVerdict(outcome=Outcome.PASSED, checked=1)


def _failure(failure: FailureClass, message: str, **more: Any) -> CaseVerdict:
    given = {
        "failure_class": failure.name,
        "cure": failure.cure,
        "checked": 1,
        "outcome": Outcome.FAILED,
        **more,
    }
    return CaseVerdict(message=message, **given)


# ------------------------------------------------------------------- tests


def of_test(test: Test, run: ProgramRun, case: Case) -> CaseVerdict:
    """Return the verdict on a test of a program."""
    match test.state:
        case HarnessState.PASSED:
            return _PASSED
        case HarnessState.SKIPPED:
            return CaseVerdict(
                outcome=Outcome.SKIPPED,
                message=test.message or "the test skipped itself, and said no reason",
                failure_class=TEST_SKIPPED.name,
            )
        case HarnessState.FAILED:
            return _of_failed(test, run)
        case _:
            return _of_unended(test, run, case)


def _of_failed(test: Test, run: ProgramRun) -> CaseVerdict:
    words = test.output.text()
    inner = [
        it.name
        for it in run.tests
        if it.name.startswith(f"{test.name}/") and it.state is HarnessState.FAILED
    ]
    said = last_line(words)
    if test.message:
        message = f"failed: {test.message}"
    elif _ended_by_panic(test, run):
        message = f"failed: {_panic(run)}"
        message += f'; the last that it printed is "{said}"' if said else ""
        message += _unlisted(run)
    elif inner and not said:
        message = f"failed, as its test {inner[0]} did"
    else:
        message = f"failed: {said or _panic(run) or 'it printed nothing'}"
    message += f"; {test.odd}" if test.odd else ""
    found = classify_printed(words)
    if found is None:
        return _failure(TEST_FAILED, message)
    return _failure(TEST_FAILED, message, failure_class=found.name, cure=found.cure)


def _of_unended(test: Test, run: ProgramRun, case: Case) -> CaseVerdict:
    fault = of_end(run, case)
    if fault is None or fault.outcome is Outcome.PASSED:
        what = "the program ended with exit status 0"
        return _failure(TEST_DIED, f"started and never ended: {what}")
    if run.end is not None and not run.end.timed_out:
        # How the program ended follows from the test, which is the cause.
        said = last_line(test.output.text()) or last_line(_stderr(run))
        how = run.printed.ending if run.printed is not None else fault.message
        quoted = f'; the last that it printed is "{said}"' if said else ""
        words = f"started and never ended: {how}{quoted}{_unlisted(run)}"
        return _failure(TEST_DIED, words)
    message = f"started and never ended: {fault.message}"
    return fault.model_copy(update={"message": message})


def _unlisted(run: ProgramRun) -> str:
    """Return what to say of tests behind one that ended the program.

    Those of a list get a result of their own.
    """
    if run.wanted is not None:
        return ""
    return "; tests that were to start after it did not, and no list names them"


def _stderr(run: ProgramRun) -> str:
    return "" if run.printed is None else run.printed.stderr


def _panic(run: ProgramRun) -> str:
    """Return the line that says why a program of Go or Rust ended."""
    lines = (it.strip() for it in _stderr(run).splitlines())
    return next((it for it in lines if _PANIC.match(it)), "")


def _ended_by_panic(test: Test, run: ProgramRun) -> bool:
    """Whether a program of Go ended by a panic in a test.

    The testing package prints that the test failed before it lets the panic go on. Then
    its last result is that of this test, whatever the test printed before.
    """
    status = None if run.end is None else run.end.exit
    return status == _GO_PANICKED and test.name == run.tests.last and bool(_panic(run))


def printed_by(test: Test, run: ProgramRun) -> Printed | None:
    """Return what a test printed, with the command that ran it; None if nothing."""
    whole = run.printed
    words = test.output.text()
    if whole is None or test.state in (HarnessState.PASSED, HarnessState.SKIPPED):
        return None
    # Nobody knows whose a line of standard error is; of a test that ended all, it says
    # why.
    ended_all = test is run.blamed or _ended_by_panic(test, run)
    alone = ended_all or not words.strip()
    inner = any(it.name.startswith(f"{test.name}/") for it in run.tests)
    update = {
        "name": "test",
        "stdout": words,
        "stderr": whole.stderr if alone and not inner else "",
        "stderr_file": whole.stderr_file if alone and not inner else "",
    }
    return whole.model_copy(update=update)


def missing(run: ProgramRun, case: Case) -> CaseVerdict:
    """Return the verdict on a test that was listed, and never started."""
    fault = of_end(run, case)
    if fault is not None and fault.outcome is Outcome.ERROR:
        return fault
    why = fault.message if fault is not None and fault.message else "it ended"
    return _failure(TEST_MISSING, f"it did not run: {why}")


# --------------------------------------------------------------- the whole


def of_program_error(error: ProgramError) -> CaseVerdict:
    """Return the verdict on a program that no guest could start."""
    return CaseVerdict(
        outcome=Outcome.FAILED,
        message=error.message,
        failure_class=error.failure_class,
        cure=error.hint,
        checked=1,
    )


def of_end(run: ProgramRun, case: Case) -> CaseVerdict | None:
    """Return what is wrong with how a program ended; None if nothing is.

    An exit status other than 0 is, and so is what the kernel reported meanwhile.
    """
    found = _of_end(run, case)
    if found is None or run.report is None or found.outcome is not Outcome.ERROR:
        return found
    return kernelreport.of_error(found, run.report, case, counts=run.is_last)


def _of_end(run: ProgramRun, case: Case) -> CaseVerdict | None:
    if run.error is not None:
        return _of_error(run)
    assert run.end is not None
    assert run.printed is not None
    end = run.end
    if end.timed_out:
        lasted = timely.lasted(end.seconds, case.timeout)
        printed = timely.printed(run.printed.stdout, run.printed.stderr)
        return CaseVerdict(
            outcome=Outcome.ERROR,
            message=f"timed out: still running after {lasted}, and killed; it printed "
            f"so far: {printed}",
            failure_class=TIMED_OUT,
            cure="raise --timeout (`timeout` in suite.yaml) if it needs that long; "
            "otherwise find out what hangs",
        )
    if end.signal is not None:
        return _failure(PROGRAM_KILLED, f"killed by {end.signal}{_quoted(run.printed)}")
    if end.exit:
        return _of_status(end.exit, run.printed)
    return _of_left(end) or _of_report(run)


def _of_report(run: ProgramRun) -> CaseVerdict | None:
    if run.report is None:
        return None
    return kernelreport.of_report(run.report, counts=run.is_last)


def _of_left(end: CommandEnd) -> CaseVerdict | None:
    daemons = [f"{it.name} (pid {it.pid})" for it in end.left if it.daemon]
    if not daemons:
        return None
    return _failure(
        LEFT_RUNNING,
        f"it ended with exit status 0, and left {listing(daemons)} running",
    )


def _of_error(run: ProgramRun) -> CaseVerdict:
    match run.error:
        case GuestError() as error:
            return of_lost_guest(error, is_last=run.is_last)
        case AgentError() as error:
            if error.errno_name == "ENOEXEC":
                return _failure(PROGRAM_BAD, error.message)
            return _failure(COMMAND_FAILED, error.message, cure="see the message")
        case UsageError() as error:
            return _failure(
                PROGRAM_BAD,
                error.message,
                failure_class="suite_error",
                cure=error.hint,
            )
        case error:
            assert error is not None
            return CaseVerdict(
                outcome=Outcome.ERROR,
                message=error.message,
                failure_class="infrastructure",
                cure=error.hint,
            )


def _of_status(status: int, printed: Printed) -> CaseVerdict:
    library = _NO_LIBRARY.search(printed.stderr)
    if library is not None:
        name = library[1] or library[2]
        return _failure(LIBRARY_MISSING, f"it needs the library {name}")
    words = printed.stderr if printed.stderr.strip() else printed.stdout
    message = f"{ended(status)}{_quoted(printed)}"
    found = classify_printed(words)
    if found is None:
        return _failure(COMMAND_FAILED, message, cure="read its output")
    return _failure(COMMAND_FAILED, message, failure_class=found.name, cure=found.cure)


def _quoted(printed: Printed) -> str:
    words = printed.stderr if printed.stderr.strip() else printed.stdout
    quoted = last_line(words)
    return f'; it printed "{quoted}"' if quoted else "; it printed nothing"


def of_tests(
    runs: Sequence[ProgramRun], tests: Mapping[str, CaseVerdict], case: Case
) -> CaseVerdict:
    """Return the verdict on a program with tests, apart from these.

    It passes if how it ended is what its tests say: an exit status other than 0 needs a
    test that failed. Each fault then counts once.
    """
    for run in runs:
        verdict = _unexplained(run, case)
        if verdict is not None:
            return verdict
    if not tests:
        return _failure(
            NOTHING_CHECKED,
            "the program ran no test",
            cure="check --results (`results:`), and the arguments that choose tests",
        )
    if all(it.outcome is Outcome.SKIPPED for it in tests.values()):
        return CaseVerdict(
            outcome=Outcome.SKIPPED,
            message=f"all of its tests were skipped ({len(tests)})",
            failure_class=TEST_SKIPPED.name,
        )
    good = (Outcome.PASSED, Outcome.SKIPPED)
    failed = [name for name, it in tests.items() if it.outcome not in good]
    if not failed:
        return _PASSED
    names = failed[:_SHOWN_TESTS]
    more = f" and {len(failed) - len(names)} more" if len(failed) > len(names) else ""
    return _PASSED.model_copy(
        update={"message": f"it ended as its tests say: {listing(names)}{more} failed"}
    )


def _unexplained(run: ProgramRun, case: Case) -> CaseVerdict | None:
    """Return what is wrong with a run that no test of it has caused.

    A failed test with exit status 0 is fine: programs that print TAP need not care.
    """
    reported = None if run.is_lost else _of_report(run)
    if reported is not None:
        # Nobody knows which test it was: --isolate tells.
        return reported
    fault = of_end(run, case)
    states = {it.state for it in run.tests}
    if run.blamed is not None:
        # It has the verdict.
        return None
    if run.tests.problems:
        return _failure(RESULTS_BAD, "; ".join(run.tests.problems))
    explained = run.end is not None and run.end.exit and HarnessState.FAILED in states
    return None if explained else fault


def of_loads(
    verdict: CaseVerdict,
    record: LoadRecord | None,
    held: HeldMaps,
    case: Case,
    *,
    is_old: bool,
) -> CaseVerdict:
    """Return a verdict after what a suite expects to be loaded, and to be in its maps.

    A command that failed has failed already. `is_old` says that its kernel is one
    before 4.15, which keeps no names.
    """
    if verdict.outcome is not Outcome.PASSED or not case.expect:
        return verdict
    seen = _observations(record, held, case, is_old=is_old)
    missing = tuple(checks.not_available(case.expect, seen))
    values = [
        it for it in case.expect if isinstance(it, MapExpectation | RowsExpectation)
    ]
    loads = [it for it in case.expect if it not in values]
    otherwise = evidence.judge_all(loads, seen, {})
    wrong = evidence.judge_all(values, seen, {})
    more = {
        "checked": verdict.checked + len(case.expect) - len(missing),
        "not_available": missing,
        "matches": (*otherwise.matches, *wrong.matches)[: evidence.MOST],
    }
    found = (*otherwise.mismatches, *wrong.mismatches)
    if not found:
        return verdict.model_copy(update=more)
    failure = LOADED_OTHERWISE if otherwise.mismatches else WRONG_VALUE
    return _failure(failure, str(found[0]), mismatches=found, **more)


def _observations(
    record: LoadRecord | None,
    held: HeldMaps,
    case: Case,
    *,
    is_old: bool,
) -> Observations:
    unread = [it for it in heldmaps.wanted(case) if it not in held.maps]
    if record is None:
        why = "nothing was recorded"
        return Observations(not_shown=why, out_of_sight=dict.fromkeys(unread, why))
    nameless = loaded.nameless(record, is_old=is_old)
    subjects = [it.subject for it in case.expect if isinstance(it, ShowExpectation)]
    shows = {it: loaded.shown(it, record) for it in subjects}
    hidden = {it: loaded.out_of_sight(it, record, nameless) for it in unread}
    return Observations(
        maps=held.maps,
        inner=held.inner,
        shows={it: shown for it, shown in shows.items() if shown is not None},
        ids=loaded.named(record),
        recorded=record,
        nameless=nameless,
        not_shown=nameless,
        out_of_sight={it: why for it, why in hidden.items() if why},
    )
