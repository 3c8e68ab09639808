"""A program's tests in as many guests as it takes; what each guest does is scripted."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.bpf.bpftool import MapDump, MapRow
from runner.case import program
from runner.case.heldmaps import HeldMaps
from runner.case.program import ProgramJob, ProgramRun
from runner.errors import ArtifactError, GuestError, RunnerError, timed_out
from runner.failures import splats
from runner.guest.replies import CommandEnd, LeftProcess
from runner.guest.roots.errors import RootError
from runner.harness.tests import HarnessState
from runner.results import LoadRecord, Outcome, Printed, RecordedMap, RecordedProgram
from runner.run import programs
from runner.run.lease import GuestLease, Need
from runner.run.programs import Performed
from runner.run.retry import KernelCase
from runner.run.run import Run
from runner.suites import suitefile
from runner.suites.known import KnownKernel
from runner.versions import KernelVersion
from tests.unit.guest.doubles import KERNEL, FakeAgent, guest

P, F, S, R = (
    HarnessState.PASSED,
    HarnessState.FAILED,
    HarnessState.SKIPPED,
    HarnessState.RUNNING,
)
PANIC = GuestError("panic while running", cause="panic", console="the last words")
GONE = GuestError("no answer", cause="no_answer")
SUITE = """\
description: A suite.
cases:
  - name: t
    command: [./tool]
    results: %s
    isolate: %s
    expect: %s
"""


class Lease:
    """Lends nothing, and remembers to whom."""

    def __init__(self) -> None:
        self.tenants: list[str] = []

    @contextmanager
    def lease(self, need: Need, following: Need | None) -> Iterator[object]:
        self.tenants.append(need.tenant)
        yield guest(FakeAgent())


def ended(
    tests: dict[str, HarnessState],
    *,
    exit: int | None = 0,
    signal: str | None = None,
    timed_out: bool = False,
    error: RunnerError | None = None,
    left: tuple[LeftProcess, ...] = (),
    stderr: str = "",
) -> ProgramRun:
    """Return a run that ended so."""
    done = ProgramRun(
        error=error, printed=Printed(name="c", argv=("t",), stderr=stderr)
    )
    for name, state in tests.items():
        made = done.tests.start(name)
        assert made is not None
        made.state = state
    if error is None:
        done.printed = Printed(
            name="c", argv=("t",), exit=exit, signal=signal or "", stderr=stderr
        )
        done.end = CommandEnd(
            pid=1,
            exit=exit,
            signal=signal,
            timed_out=timed_out,
            duration_ms=1,
            left=left,
            seconds=5,
        )
    return done


class Scripted:
    """Performs a case whose runs are scripted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._put = monkeypatch.setattr
        self.lease = Lease()
        # Gives the case its root.
        self.root_of: Callable[..., None] = lambda *_: None
        # What each run was to run.
        self.asked: list[Sequence[str] | None] = []
        # Whether each run was recorded.
        self.recorded: list[bool] = []
        # Whether each run was the last try.
        self.lasts: list[bool] = []

    def perform(
        self,
        *runs: ProgramRun,
        names: Sequence[str] | None = None,
        results: str = "tap",
        test: str = "",
        expect: str = "[]",
        kernel: str = "6.1",
        declared: str = "",
    ) -> Performed:
        tool = self._folder / "tool"
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        file = self._folder / "suite.yaml"
        text = SUITE % (results, "true" if test else "false", expect)
        if declared:
            text += f"    expect_failure: {{class: {declared}, reason: it loops}}\n"
        file.write_text(text)
        loaded = suitefile.load(file)
        left = list(runs)

        def run(
            job: ProgramJob,
            guest: object,
            names: Sequence[str] | None,
            *,
            is_last: bool,
        ) -> ProgramRun:
            self.asked.append(names)
            self.recorded.append(job.case.record)
            done = left.pop(0)
            done.is_lost = done.error is not None
            done.wanted = None if names is None else tuple(names)
            self.lasts.append(is_last)
            # Each run is judged by itself.
            return replace(done, is_last=is_last)

        self._put(program, "run", run)
        on = KernelCase(
            loaded=loaded,
            case=loaded.suite.cases[0],
            kernel=KERNEL,
            nodeid="",
            test=test,
        )
        known: Any = SimpleNamespace(
            settings=SimpleNamespace(reports=self._folder),
            matrix=SimpleNamespace(kernels=[KERNEL]),
            failures=dict,
            known=lambda _: KnownKernel(version=KernelVersion.parse(kernel)),
            tests_of=lambda *_: (),
            root_of=self.root_of,
            headers_of=lambda *_: None,
            show_output=lambda *_: None,
        )
        done = programs.perform(
            cast(Run, known), on, names, cast(GuestLease, self.lease), None
        )
        assert not left, "a run that nobody asked for"
        return done


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(tmp_path, monkeypatch)


def outcomes(done: Performed) -> dict[str, Outcome]:
    return {name: it.outcome for name, it in done.tests.items()}


def test_exit_status_0_passes(scripted: Scripted) -> None:
    done = scripted.perform(ended({}), results="exit")

    assert done.own.outcome is Outcome.PASSED
    assert not done.tests


@pytest.mark.parametrize(
    ("run", "class_", "words"),
    [
        (ended({}, exit=3, stderr="no map\n"), "command_failed", 'printed "no map"'),
        (ended({}, exit=None, signal="SIGSEGV"), "program_killed", "killed by SIGSEGV"),
        (ended({}, error=PANIC), "kernel_panic", "panic while running"),
        (
            ended(
                {},
                exit=127,
                stderr="t: error while loading shared libraries: libx.so.1: cannot "
                "open shared object file: No such file or directory\n",
            ),
            "library_missing",
            "needs the library libx.so.1",
        ),
        (
            ended({}, left=(LeftProcess(pid=7, name="httpd", daemon=True),)),
            "left_running",
            "left httpd (pid 7) running",
        ),
    ],
)
def test_each_bad_end_has_its_class(
    run: ProgramRun, class_: str, words: str, scripted: Scripted
) -> None:
    own = scripted.perform(run, results="exit").own

    assert own.outcome is Outcome.FAILED
    assert own.failure_class == class_
    assert words in own.message


def test_a_process_of_its_own_session_is_ended_without_a_word(
    scripted: Scripted,
) -> None:
    left = (LeftProcess(pid=7, name="sleep", daemon=False),)

    assert scripted.perform(ended({}, left=left), results="exit").own.message == ""


def test_a_timeout_is_tried_twice_and_is_no_verdict(scripted: Scripted) -> None:
    hang = ended({}, exit=None, signal="SIGKILL", timed_out=True)

    own = scripted.perform(hang, hang, results="exit").own

    assert own.outcome is Outcome.ERROR
    assert own.failure_class == "timed_out"
    assert own.flaky
    assert len({*scripted.lease.tenants}) == 2


def test_a_guest_that_is_lost_for_no_reason_is_tried_again(scripted: Scripted) -> None:
    own = scripted.perform(ended({}, error=GONE), ended({}), results="exit").own

    assert own.outcome is Outcome.PASSED
    assert own.flaky == "the guest was lost: no answer"


LOCKED = GuestError("soft lockup while running ./tool: BUG", cause="soft_lockup")


def test_a_kernel_that_locks_up_twice_fails_the_program_with_its_words(
    scripted: Scripted,
) -> None:
    own = scripted.perform(*locked_up(2), results="exit").own

    assert (own.outcome, own.failure_class) == (Outcome.FAILED, "kernel_soft_lockup")
    assert own.message == f"the guest was lost: {LOCKED.message}"
    assert scripted.lasts == [False, True]


def test_a_kernel_that_locks_up_once_passes_and_is_flaky(scripted: Scripted) -> None:
    own = scripted.perform(*locked_up(1), ended({}), results="exit").own

    assert own.outcome is Outcome.PASSED
    assert own.flaky == f"the guest was lost: {LOCKED.message}"


def test_a_declared_lockup_of_a_program_needs_no_second_try(
    scripted: Scripted,
) -> None:
    own = scripted.perform(
        *locked_up(1), results="exit", declared="kernel_soft_lockup"
    ).own

    assert (own.outcome, own.failure_class) == (Outcome.PASSED, "kernel_soft_lockup")


def test_a_stall_that_comes_again_fails_the_program(scripted: Scripted) -> None:
    def stalled() -> ProgramRun:
        return replace(ended({}), report=splats.reported("rcu: INFO: a stall\n"))

    once = scripted.perform(stalled(), ended({}), results="exit").own
    twice = scripted.perform(stalled(), stalled(), results="exit").own

    assert (once.outcome, bool(once.flaky)) == (Outcome.PASSED, True)
    assert (twice.outcome, twice.failure_class) == (Outcome.FAILED, "kernel_warned")


def test_what_has_locked_up_twice_counts_at_once_from_then_on(
    scripted: Scripted,
) -> None:
    done = scripted.perform(*locked_up(3, a=R), ended({"b": P}), names=("a", "b"))

    assert scripted.asked == [("a", "b"), ("a", "b"), ("a",), ("b",)]
    assert scripted.lasts == [False, True, True, True]
    assert outcomes(done) == {"a": Outcome.FAILED, "b": Outcome.PASSED}


def locked_up(times: int, **tests: HarnessState) -> list[ProgramRun]:
    return [ended(tests, error=LOCKED) for _ in range(times)]


def test_each_test_has_its_outcome_and_the_program_its_own(scripted: Scripted) -> None:
    done = scripted.perform(ended({"a": P, "b": F, "c": S}, exit=1))

    assert outcomes(done) == {
        "a": Outcome.PASSED,
        "b": Outcome.FAILED,
        "c": Outcome.SKIPPED,
    }
    # One cause, one failure.
    assert done.own.outcome is Outcome.PASSED
    assert done.own.message == "it ended as its tests say: b failed"
    assert {it.case for it in done.tests.values()} == {"t::a", "t::b", "t::c"}


def test_a_bad_end_that_no_test_explains_fails_the_program(scripted: Scripted) -> None:
    done = scripted.perform(ended({"a": P}, exit=2, stderr="leak\n"))

    assert done.own.outcome is Outcome.FAILED
    assert done.own.failure_class == "command_failed"


def test_a_program_without_a_test_has_checked_nothing(scripted: Scripted) -> None:
    assert scripted.perform(ended({})).own.failure_class == "nothing_checked"


def test_a_program_that_skips_all_is_skipped(scripted: Scripted) -> None:
    own = scripted.perform(ended({"a": S, "b": S})).own

    assert own.outcome is Outcome.SKIPPED


def test_a_problem_of_the_results_fails_the_program(scripted: Scripted) -> None:
    done = ended({"a": P})
    done.tests.problem("planned 3 tests, and printed 1 results")

    own = scripted.perform(done).own

    assert own.failure_class == "results_bad"
    assert "planned 3" in own.message


def test_the_test_that_ran_when_the_guest_died_is_blamed(scripted: Scripted) -> None:
    done = scripted.perform(
        ended({"a": P, "b": R, "b/inner": R}, error=PANIC),
        ended({"b": R, "b/inner": R}, error=PANIC),
        ended({"c": P, "d": F}, exit=1),
        names=["a", "b", "c", "d"],
    )

    assert scripted.asked == [("a", "b", "c", "d"), ("b",), ("c", "d")]
    assert len({*scripted.lease.tenants}) == 3
    assert outcomes(done) == {
        "a": Outcome.PASSED,
        "b": Outcome.FAILED,
        "b/inner": Outcome.FAILED,
        "c": Outcome.PASSED,
        "d": Outcome.FAILED,
    }
    blamed = done.tests["b/inner"]
    assert blamed.failure_class == "kernel_panic"
    assert blamed.console == "the last words"
    assert done.own.outcome is Outcome.PASSED


def test_a_test_that_was_seen_last_is_not_blamed_for_another(
    scripted: Scripted,
) -> None:
    # The last words of the first guest did not leave it.
    done = scripted.perform(
        ended({"a": P, "b": R}, error=PANIC),
        ended({"b": P}),
        ended({"c": R}, error=PANIC),
        names=["a", "b", "c"],
    )

    assert scripted.asked == [("a", "b", "c"), ("b",), ("c",)]
    assert outcomes(done) == {
        "a": Outcome.PASSED,
        "b": Outcome.PASSED,
        "c": Outcome.FAILED,
    }
    assert done.tests["c"].failure_class == "kernel_panic"
    assert done.own.outcome is Outcome.PASSED


def test_a_guest_that_says_nothing_of_its_tests_died_of_the_first(
    scripted: Scripted,
) -> None:
    done = scripted.perform(
        ended({}, error=PANIC),
        ended({}, error=PANIC),
        ended({"b": P}),
        names=["a", "b"],
    )

    assert scripted.asked == [("a", "b"), ("a",), ("b",)]
    assert done.tests["a"].failure_class == "kernel_panic"
    assert done.tests["b"].outcome is Outcome.PASSED
    assert done.own.outcome is Outcome.PASSED


def test_a_death_that_no_test_causes_alone_fails_the_program(
    scripted: Scripted,
) -> None:
    done = scripted.perform(
        ended({"a": P, "b": R}, error=PANIC),
        ended({"b": P}),
        ended({"c": P}),
        names=["a", "b", "c"],
    )

    assert {it.outcome for it in done.tests.values()} == {Outcome.PASSED}
    assert done.own.outcome is Outcome.FAILED
    assert done.own.failure_class == "kernel_panic"
    assert "none of its tests does this alone" in done.own.message


def test_the_test_that_ran_when_the_program_died_is_blamed(scripted: Scripted) -> None:
    done = scripted.perform(
        ended({"a": R}, exit=None, signal="SIGABRT"), ended({"b": P}), names=["a", "b"]
    )

    assert done.tests["a"].failure_class == "test_died"
    assert "killed by SIGABRT" in done.tests["a"].message
    assert done.tests["b"].outcome is Outcome.PASSED


def test_a_test_that_exits_with_0_has_not_passed(scripted: Scripted) -> None:
    done = scripted.perform(ended({"a": R}), names=["a"])

    assert done.tests["a"].failure_class == "test_died"
    assert "exit status 0" in done.tests["a"].message


def test_a_test_that_never_runs_is_missing(scripted: Scripted) -> None:
    done = scripted.perform(ended({"a": P}), ended({"other": P}), names=["a", "never"])

    assert done.tests["never"].failure_class == "test_missing"


def test_a_program_that_dies_before_its_tests_ends(scripted: Scripted) -> None:
    crash = ended({}, exit=2, stderr="no root\n")

    done = scripted.perform(crash, names=["a", "b"])

    assert {it.failure_class for it in done.tests.values()} == {"test_missing"}
    assert "no root" in done.tests["a"].message
    assert done.own.failure_class == "command_failed"


def test_a_test_that_hangs_twice_is_no_verdict_and_the_others_have_theirs(
    scripted: Scripted,
) -> None:
    done = scripted.perform(
        ended({"a": P, "b": R}, exit=None, signal="SIGKILL", timed_out=True),
        ended({"b": R}, exit=None, signal="SIGKILL", timed_out=True),
        ended({"c": P}),
        names=["a", "b", "c"],
    )

    assert scripted.asked == [("a", "b", "c"), ("b", "c"), ("c",)]
    assert outcomes(done) == {
        "a": Outcome.PASSED,
        "b": Outcome.ERROR,
        "c": Outcome.PASSED,
    }
    assert done.tests["b"].failure_class == "timed_out"


def test_no_guest_is_an_error_of_all(scripted: Scripted) -> None:
    @contextmanager
    def refuse(need: Need, following: Need | None) -> Iterator[object]:
        raise timed_out("booting", "--boot-timeout")
        yield

    scripted.lease.lease = refuse  # type: ignore[method-assign]

    done = scripted.perform(names=["a", "b"])

    assert {it.outcome for it in done.tests.values()} == {Outcome.ERROR}
    assert done.own.outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("error", "outcome", "class_"),
    [
        (RootError("it is broken"), Outcome.FAILED, "suite_error"),
        (ArtifactError("log in first"), Outcome.ERROR, "infrastructure"),
    ],
)
def test_a_bad_root_fails_and_one_that_nobody_gave_is_an_error(
    scripted: Scripted, error: RunnerError, outcome: Outcome, class_: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    scripted.root_of = refuse

    done = scripted.perform(names=["a", "b"])

    for it in (done.own, *done.tests.values()):
        assert (it.outcome, it.failure_class) == (outcome, class_)
        assert it.message == error.message


def test_a_passed_test_says_nothing_of_what_it_printed(scripted: Scripted) -> None:
    run = ended({"a": P, "b": F}, exit=1, stderr="panic: no\n")
    run.tests.by_name["a"].output.write(b"hello\n")

    done = scripted.perform(run)

    assert done.tests["a"].commands == ()
    (printed,) = done.tests["b"].commands
    assert printed.stderr == "panic: no\n"
    assert done.tests["b"].message == "failed: panic: no"


FELL_BACK = LoadRecord(programs=(RecordedProgram(name="on_kprobe", type="kprobe"),))
WANTS_FENTRY = "[{loaded: {program: on_fentry}}]"


def recorded(
    tests: dict[str, HarnessState], record: LoadRecord | None, exit: int = 0
) -> ProgramRun:
    done = ended(tests, exit=exit)
    done.recorded = record
    return done


@pytest.mark.parametrize(("results", "tests"), [("exit", {}), ("tap", {"1": P})])
def test_a_loader_that_falls_back_fails_though_it_ended_well(
    results: str, tests: dict[str, HarnessState], scripted: Scripted
) -> None:
    own = scripted.perform(
        recorded(tests, FELL_BACK), results=results, expect=WANTS_FENTRY
    ).own

    assert own.outcome is Outcome.FAILED
    assert own.failure_class == "loaded_otherwise"
    assert own.message == (
        "program on_fentry: expected loaded, observed no program of this name; "
        "loaded were on_kprobe"
    )
    assert own.recorded == FELL_BACK
    assert own.checked == 2


def test_a_loader_that_loads_what_it_should_passes(scripted: Scripted) -> None:
    run = recorded({}, FELL_BACK)

    own = scripted.perform(
        run,
        results="exit",
        expect="[{loaded: {program: on_kprobe, type: kprobe}}]",
    ).own

    assert own.outcome is Outcome.PASSED
    assert own.checked == 2


def test_a_bad_exit_status_says_more_than_what_was_not_loaded(
    scripted: Scripted,
) -> None:
    run = recorded({}, FELL_BACK, exit=1)

    own = scripted.perform(run, results="exit", expect=WANTS_FENTRY).own

    assert own.failure_class == "command_failed"
    assert own.recorded == FELL_BACK


@pytest.mark.parametrize(
    ("record", "kernel", "why"),
    [
        (None, "6.1", "nothing was recorded"),
        (LoadRecord(missing=("5 more calls",)), "6.1", "5 more calls"),
        (
            LoadRecord(programs=(RecordedProgram(type="kprobe"),)),
            "4.11",
            "this kernel takes no names (before 4.15)",
        ),
    ],
)
def test_what_nobody_saw_is_not_available(
    record: LoadRecord | None, kernel: str, why: str, scripted: Scripted
) -> None:
    run = recorded({}, record)

    own = scripted.perform(run, results="exit", expect=WANTS_FENTRY, kernel=kernel).own

    assert own.outcome is Outcome.PASSED
    assert own.not_available == (f"loaded program on_fentry: {why}",)
    assert own.checked == 1


def test_what_fails_because_it_is_traced_runs_once_more_without(
    scripted: Scripted,
) -> None:
    disturbed = recorded({}, FELL_BACK, exit=3)
    disturbed.is_disturbed = True

    own = scripted.perform(disturbed, recorded({}, None), results="exit").own

    assert own.outcome is Outcome.PASSED
    assert scripted.recorded == [True, False]
    assert len(set(scripted.lease.tenants)) == 2
    assert own.recorded == LoadRecord(
        missing=("it traces processes itself, and ran once more without a recorder",)
    )


def test_what_passes_though_it_is_traced_does_not_run_again(
    scripted: Scripted,
) -> None:
    disturbed = recorded({}, FELL_BACK)
    disturbed.is_disturbed = True

    own = scripted.perform(disturbed, results="exit").own

    assert own.outcome is Outcome.PASSED
    assert own.recorded == FELL_BACK


COUNTS = "[{map: counts, key: 1, equals: 3}]"
HAS_COUNTS = LoadRecord(maps=(RecordedMap(name="counts", type="hash"),))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, ""),
        (4, "map counts key 1: expected 3, observed 4"),
    ],
)
def test_a_map_is_held_against_what_the_suite_expects(
    value: int, message: str, scripted: Scripted
) -> None:
    run = recorded({}, HAS_COUNTS)
    row = MapRow(key=b"", value=b"", formatted_key=1, formatted_value=value)
    run.held = HeldMaps(maps={"counts": MapDump(rows=(row,))})

    own = scripted.perform(run, results="exit", expect=COUNTS).own

    assert own.message == message
    assert own.failure_class == ("wrong_value" if message else "")
    assert own.checked == 2


def test_a_map_that_was_never_there_fails(scripted: Scripted) -> None:
    own = scripted.perform(recorded({}, FELL_BACK), results="exit", expect=COUNTS).own

    assert own.failure_class == "wrong_value"
    assert own.message == (
        "map counts: expected 3, observed no such map; there are none"
    )


def test_a_map_that_is_gone_is_not_available(scripted: Scripted) -> None:
    own = scripted.perform(recorded({}, HAS_COUNTS), results="exit", expect=COUNTS).own

    assert own.outcome is Outcome.PASSED
    assert own.not_available == (
        "map counts: it was gone when the command had ended (maps are kept from 4.18 "
        "on)",
    )
