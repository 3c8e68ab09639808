"""How a test in Python that failed is told."""

import errno

import pytest

from runner.bpf.compile import ByteOrderError, CompileError
from runner.bpf.object import ObjectError
from runner.case.states import NothingError
from runner.errors import (
    GuestError,
    InfrastructureError,
    InternalError,
    UsageError,
)
from runner.guest.agenterrors import AgentError
from runner.plugin import recorder
from runner.results import Outcome

REJECTED = """\
libbpf: prog 'p': -- BEGIN PROG LOAD LOG --
0: (85) call unknown#195896080
invalid func unknown#195896080
-- END PROG LOAD LOG --
"""


def failed(when: str = "call") -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="n",
        location=("f", 1, "t"),
        keywords={},
        outcome="failed",
        longrepr="the traceback",
        when=when,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("error", "outcome", "class_"),
    [
        (UsageError("files[0]: no"), Outcome.FAILED, "suite_error"),
        (CompileError("compilation failed"), Outcome.FAILED, "compile_error"),
        (ObjectError("not an ELF file"), Outcome.FAILED, "bad_object"),
        (
            ByteOrderError("is a little-endian object"),
            Outcome.FAILED,
            "wrong_byte_order",
        ),
        (NothingError("none", loaded=False), Outcome.FAILED, "nothing_loaded"),
        (
            AgentError("no", operation="load", log=REJECTED),
            Outcome.FAILED,
            "poison_reachable",
        ),
        (AgentError("can't run x", operation="run"), Outcome.FAILED, "command_failed"),
        (InfrastructureError("no disk"), Outcome.ERROR, "infrastructure"),
        (InternalError(KeyError("x")), Outcome.ERROR, "internal"),
        (GuestError("it died", cause="no_answer"), Outcome.ERROR, "no_answer"),
        (GuestError("it died", cause="panic"), Outcome.FAILED, "panic"),
        (ValueError("x"), Outcome.FAILED, ""),
        (OSError(errno.ENOENT, "No such file"), Outcome.FAILED, ""),
        (
            OSError(errno.ENOMEM, "Cannot allocate memory"),
            Outcome.ERROR,
            "infrastructure",
        ),
        (MemoryError(), Outcome.ERROR, "infrastructure"),
    ],
)
@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_a_mistake_is_no_infrastructure(
    when: str, error: Exception, outcome: Outcome, class_: str
) -> None:
    verdict = recorder._verdict(failed(when), error)

    assert (verdict.outcome, verdict.failure_class) == (outcome, class_)


def test_a_fixture_that_raises_is_told_as_one() -> None:
    error = ValueError("x")

    assert recorder._message(failed("setup"), error) == "setup: ValueError: x"
    assert recorder._message(failed("teardown"), error) == "teardown: ValueError: x"
    assert recorder._message(failed(), error) == "ValueError: x"


def test_an_assertions_message_is_whole_and_what_failed_comes_first() -> None:
    error = AssertionError(
        "=== RUN   TestLoad\n  --- FAIL: TestLoad\n      x_test.go:7\n"
        "assert 1 == 0\n +  where 1 = x.exit"
    )

    assert recorder._message(failed(), error).splitlines() == [
        "assert 1 == 0",
        "=== RUN   TestLoad",
        "--- FAIL: TestLoad",
        "    x_test.go:7",
        " +  where 1 = x.exit",
    ]


def test_an_assertions_message_is_bounded() -> None:
    text = "begin" + "x" * 1_000_000 + "end\nassert 1 == 0"

    shown = recorder._message(failed(), AssertionError(text))

    assert shown.startswith("assert 1 == 0\nbegin")
    assert shown.endswith("end")
    assert "characters are left out" in shown
    assert len(shown) < 5000


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AssertionError(), "AssertionError"),
        (KeyError("m"), "KeyError: 'm'"),
        (ValueError(), "ValueError"),
        (UsageError("name it", hint="so"), "name it"),
    ],
)
def test_other_errors_say_what_they_are(error: Exception, message: str) -> None:
    assert recorder._message(failed(), error) == message
