"""How a test in Python that failed is told."""

import pytest

from runner.agent import AgentError
from runner.bpf.compile import CompileError
from runner.bpf.object import ObjectError
from runner.errors import GuestError, InfrastructureError, UsageError
from runner.plugin import recorder
from runner.results import Outcome
from runner.session.states import NothingError

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
        (NothingError("none", loaded=False), Outcome.FAILED, "nothing_loaded"),
        (
            AgentError("no", operation="load", log=REJECTED),
            Outcome.FAILED,
            "poison_reachable",
        ),
        (AgentError("can't run x", operation="run"), Outcome.FAILED, "command_failed"),
        (InfrastructureError("no disk"), Outcome.ERROR, ""),
        (GuestError("it died", cause="no_answer"), Outcome.ERROR, "no_answer"),
        (GuestError("it died", cause="panic"), Outcome.FAILED, "panic"),
        (ValueError("x"), Outcome.FAILED, ""),
    ],
)
def test_a_mistake_is_no_infrastructure(
    error: Exception, outcome: Outcome, class_: str
) -> None:
    assert recorder._outcome(failed(), error) is outcome
    assert recorder._class(error) == class_


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
