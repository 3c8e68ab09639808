"""Triggers, and commands that do not end as a suite says."""

import pytest
from pydantic import JsonValue

from runner.agent import AgentSession
from runner.session import triggers
from runner.suite import Case, Command, Fork, Sleep, Syscall, TestRun, Udp
from tests.unit.session.doubles import COMMAND, FakeAgent


def case(exit_: int = 0) -> Case:
    return Case(
        name="c",
        object="a.o",
        trigger=(
            Fork(fork="x"),
            Command(command=("sh", "-c", "exit 3"), exit=exit_, timeout=2.5),
        ),
    )


def ended(**how: JsonValue) -> dict[str, JsonValue]:
    return {"child": {"pid": 1}, "command": {**COMMAND, **how}}


def test_a_command_that_ends_as_expected_is_no_failure() -> None:
    assert triggers.failures(case(), ended()) == []
    assert triggers.failures(case(3), ended(exit=3)) == []


@pytest.mark.parametrize(
    ("how", "observed"),
    [
        ({"exit": 1}, "exit status 1"),
        ({"exit": None, "signal": "SIGSEGV"}, "killed by SIGSEGV"),
        (
            {"exit": None, "signal": "SIGKILL", "timed_out": True},
            "still running after 2.5 s, and killed",
        ),
    ],
)
def test_another_end_is_a_failure(how: dict[str, JsonValue], observed: str) -> None:
    (found,) = triggers.failures(case(), ended(**how))

    assert str(found) == (
        f"command sh -c exit 3: expected exit status 0, observed {observed}"
    )


def test_what_a_trigger_gives_has_its_names() -> None:
    agent = FakeAgent(
        {
            "syscall": {"pid": 2, "tid": 3, "count": 4, "result": -1},
            "sleep": {"pid": 2, "slept_ns": 10},
            "udp": {"pid": 2, "bytes": 1, "source_port": 5, "port": 9, "sent": 1},
            "test_run": {
                "retval": 7,
                "duration_ns": 8,
                "data_out": "AAE=",
                "ctx_out": "",
                "log": "",
            },
        }
    )
    session = AgentSession(agent)

    forked = triggers.pull(Fork(fork="sleeper"), session, 1, {})
    assert (forked["pid"], forked["ppid"], forked["comm"]) == (100, 2, "sleeper")
    assert triggers.pull(Syscall(syscall="getpid", times=4), session, 1, {}) == {
        "pid": 2,
        "tid": 3,
        "count": 4,
        "result": -1,
    }
    assert triggers.pull(Sleep(sleep=0.1), session, 1, {})["slept_ns"] == 10
    assert triggers.pull(Udp(udp=1), session, 1, {})["source_port"] == 5
    assert triggers.pull(TestRun(test_run="p"), session, 1, {}) == {
        "retval": 7,
        "duration_ns": 8,
        "data": "0001",
    }
    assert agent.operations == ["fork", "syscall", "sleep", "udp", "test_run"]


def test_a_command_gets_its_references() -> None:
    agent = FakeAgent()

    triggers.pull(
        Command(command=("kill", "${child.pid}"), timeout=3),
        AgentSession(agent),
        1,
        {"child": {"pid": 42}},
    )

    assert agent.requests[0]["argv"] == ["kill", "42"]
    assert agent.requests[0]["timeout_ms"] == 3000
