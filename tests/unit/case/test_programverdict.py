"""Why a test of a program failed, by what it and its program printed."""

import pytest

from runner.case.program import ProgramRun
from runner.case.programverdict import of_end, of_test, printed_by
from runner.failures import splats
from runner.guest.replies import CommandEnd
from runner.harness.gotest import GoReader
from runner.results import Outcome, Printed
from runner.suites.model import Case, ExpectedFailure
from tests.unit.harness.recorded import read

CASE = Case.model_validate(
    {"name": "c", "command": ["./tool"], "results": "gotest"}, strict=False
)
EXITS = """\
panic: unexpected call to os.Exit(0) during test [recovered, repanicked]

goroutine 7 [running]:
"""


def ended(
    stdout: bytes,
    *,
    stderr: str = "",
    exit: int = 1,
    wanted: tuple[str, ...] | None = ("TestMid", "TestLater"),
) -> ProgramRun:
    """Return a run of a program of Go that ended so."""
    reader = GoReader(marked=True)
    read(reader, stdout)
    return ProgramRun(
        tests=reader.tests,
        wanted=wanted,
        end=CommandEnd(pid=1, exit=exit, signal=None, timed_out=False, duration_ms=1),
        printed=Printed(name="c", argv=("t",), exit=exit, stderr=stderr),
    )


def reason(name: str, run: ProgramRun) -> str:
    """Return why a test failed."""
    return of_test(run.tests.by_name[name], run, CASE).message


def test_a_test_that_exits_failed_by_the_panic_and_not_by_its_last_words() -> None:
    printed = b"\x16=== RUN   TestMid\nPASS\n\x16--- FAIL: TestMid (0.00s)\n"

    run = ended(printed, stderr=EXITS, exit=2)

    said = reason("TestMid", run)
    assert said.startswith("failed: panic: unexpected call to os.Exit(0) during test")
    assert said.endswith('; the last that it printed is "PASS"')
    shown = printed_by(run.tests.by_name["TestMid"], run)
    assert shown is not None
    assert (shown.stdout, shown.stderr) == ("PASS\n", EXITS)


def test_the_innermost_test_panicked_and_none_before_it() -> None:
    printed = (
        b"\x16=== RUN   TestMid\n"
        b"\x16=== RUN   TestMid/one\n    x_test.go:3: wrong\n"
        b"\x16    --- FAIL: TestMid/one (0.00s)\n"
        b"\x16=== RUN   TestMid/two\nPASS\n"
        b"\x16    --- FAIL: TestMid/two (0.00s)\n\x16--- FAIL: TestMid (0.00s)\n"
    )
    run = ended(printed, stderr=EXITS, exit=2)

    said = {it: reason(it, run) for it in ("TestMid", "TestMid/one", "TestMid/two")}

    assert said["TestMid"] == "failed, as its test TestMid/one did"
    assert said["TestMid/one"] == "failed: x_test.go:3: wrong"
    assert said["TestMid/two"].startswith("failed: panic: unexpected call")


def test_a_panic_that_did_not_end_the_program_is_no_reason() -> None:
    printed = b"\x16=== RUN   TestMid\nx: wrong\n\x16--- FAIL: TestMid (0.00s)\n"

    said = reason("TestMid", ended(printed, stderr="panic: an old log\n", exit=1))

    assert said == "failed: x: wrong"


@pytest.mark.parametrize(
    ("stderr", "exit", "own"),
    [("", 1, "x: wrong"), (EXITS, 2, "panic: unexpected call to os.Exit(0)")],
)
def test_a_pass_that_a_test_printed_does_not_hide_why_it_failed(
    stderr: str, exit: int, own: str
) -> None:
    printed = (
        b"\x16=== RUN   TestMid\n\x16--- PASS: TestMid (0.00s)\n"
        b"x: wrong\n\x16--- FAIL: TestMid (0.00s)\n"
    )

    said = reason("TestMid", ended(printed, stderr=stderr, exit=exit))

    assert said.startswith(f"failed: {own}")
    assert said.endswith("; two results were printed for it, and one is a failure")


UNLISTED = "tests that were to start after it did not, and no list names them"


@pytest.mark.parametrize(("wanted", "is_said"), [(None, True), (("TestMid",), False)])
@pytest.mark.parametrize("result", [b"\x16--- FAIL: TestMid (0.00s)\n", b""])
def test_what_may_be_missing_is_said_where_no_list_has_it(
    result: bytes, wanted: tuple[str, ...] | None, is_said: bool
) -> None:
    printed = b"\x16=== RUN   TestMid\n" + result

    said = reason("TestMid", ended(printed, stderr=EXITS, exit=2, wanted=wanted))

    assert (UNLISTED in said) is is_said


def hung_after_a_report() -> ProgramRun:
    run = ended(b"")
    hung = CommandEnd(pid=1, exit=None, signal=None, timed_out=True, duration_ms=1)
    run.end, run.report = hung, splats.reported("BUG: KASAN: use-after-free in f\n")
    return run


def test_a_declared_report_excuses_no_hang() -> None:
    declared = ExpectedFailure.model_validate(
        {"class": "kernel_warned", "reason": "it warns"}
    )
    case = CASE.model_copy(update={"expect_failure": declared})

    found = of_end(hung_after_a_report(), case)

    assert found is not None
    assert (found.outcome, found.failure_class) == (Outcome.ERROR, "timed_out")
    assert "the kernel also reported: BUG: KASAN" in found.message


def test_a_program_that_hangs_after_a_report_of_the_kernel_is_not_run_again() -> None:
    found = of_end(hung_after_a_report(), CASE)

    assert found is not None
    assert (found.outcome, found.failure_class) == (Outcome.FAILED, "kernel_warned")
    assert "; then: timed out" in found.message
