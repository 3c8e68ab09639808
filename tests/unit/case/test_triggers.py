"""Triggers, and commands that do not end as a suite says."""

import base64
import struct
from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.bpf.bpftool import UNSUPPORTED
from runner.case import triggers
from runner.errors import GuestError
from runner.guest.agent import AgentSession
from runner.guest.commands import CommandFailedError, Commands
from runner.suites.model import (
    Case,
    Command,
    Drain,
    Fork,
    Sleep,
    Syscall,
    Tcp,
    TestRun,
    Udp,
)
from tests.unit.guest.agent_process import compile_bpf
from tests.unit.guest.doubles import COMMAND, FakeAgent, fault


def case(exit_: int = 0) -> Case:
    return Case(
        name="c",
        object="a.o",
        trigger=(
            Fork(fork="x"),
            Command(command=("sh", "-c", "exit 3"), exit=exit_, timeout=2.5),
        ),
    )


def test_a_command_that_takes_too_long_is_a_timeout_and_kept() -> None:
    how: dict[str, JsonValue] = {
        **COMMAND,
        "exit": None,
        "signal": "SIGKILL",
        "timed_out": True,
    }
    commands = Commands()
    with pytest.raises(GuestError, match="still running after") as caught:
        triggers.pull(
            Command(command=("sh", "-c", "exit 3"), timeout=2.5),
            AgentSession(FakeAgent({"run": how})),
            1,
            {},
            commands=commands,
        )
    assert caught.value.cause == "timed_out"
    assert [it.timed_out for it in commands.since(0)] == [True]


@pytest.mark.parametrize(
    ("how", "observed"),
    [
        ({"exit": 1}, "exit status 1"),
        ({"exit": 139}, "exit status 139 (SIGSEGV)"),
        ({"exit": 255}, "exit status 255"),
        ({"exit": None, "signal": "SIGSEGV"}, "killed by SIGSEGV"),
    ],
)
def test_another_end_stops_the_case(how: dict[str, JsonValue], observed: str) -> None:
    agent = AgentSession(FakeAgent({"run": {**COMMAND, "stderr": "why\n", **how}}))
    commands = Commands()

    with pytest.raises(CommandFailedError) as caught:
        triggers.pull(case().trigger[1], agent, 1, {}, commands=commands)

    assert caught.value.message == (
        f"command sh -c exit 3: expected exit status 0, observed {observed}"
    )
    assert caught.value.words == "why\n"
    (record,) = commands.since()
    assert (record.name, record.stderr) == ("command", "why\n")


def test_a_command_that_can_not_be_started_fails() -> None:
    agent = AgentSession(FakeAgent({"run": fault("can't run sh", "ENOENT")}))

    with pytest.raises(CommandFailedError, match="command sh -c exit 3: can't run sh"):
        triggers.pull(case().trigger[1], agent, 1, {})


def test_what_a_trigger_gives_has_its_names() -> None:
    agent = FakeAgent(
        {
            "syscall": {"pid": 2, "tid": 3, "count": 4, "result": -1},
            "sleep": {"pid": 2, "slept_ns": 10},
            "udp": {"pid": 2, "bytes": 1, "source_port": 5, "port": 9, "sent": 1},
            "tcp": {
                "pid": 2,
                "bytes": 1,
                "source_port": 6,
                "port": 9,
                "connections": 1,
                "refused": 0,
                "received": 1,
            },
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
    assert triggers.pull(Tcp(tcp=1), session, 1, {})["connections"] == 1
    assert triggers.pull(TestRun(test_run="p"), session, 1, {}) == {
        "retval": 7,
        "duration_ns": 8,
        "data": "0001",
    }
    assert agent.operations == ["fork", "syscall", "sleep", "udp", "tcp", "test_run"]


def test_a_command_gets_its_variables() -> None:
    agent = FakeAgent()
    command = Command(command=("tool",), env={"BTF": "${files.folder}/x.btf"})

    triggers.pull(command, AgentSession(agent), 1, {"files": {"folder": "/run/files"}})

    assert agent.requests[0]["env"] == {"BTF": "/run/files/x.btf"}


def test_a_command_in_the_background_gets_its_variables_and_its_script_does_not() -> (
    None
):
    agent = FakeAgent({"run": {**COMMAND, "exit": 0, "stdout": "7\n"}})
    command = Command(command=("tool", "-v"), env={"PATH": "/mine"}, background=True)

    triggers.pull(command, AgentSession(agent), 1, {}, commands=Commands())

    argv = agent.requests[0]["argv"]
    assert isinstance(argv, list)
    assert argv[-4:] == ["env", "PATH=/mine", "tool", "-v"]
    assert agent.requests[0]["env"] == {}


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


RECORDS = [struct.pack("<II", 7, 1), struct.pack("<II8s", 9, 2, b"cat")]


def drained(drain: Drain, data: bytes = b"") -> dict[str, JsonValue]:
    rows: list[JsonValue] = [base64.b64encode(it).decode() for it in RECORDS]
    agent = FakeAgent({"drain": {"records": rows, "lost": 0}})
    return triggers.pull(drain, AgentSession(agent), 1, {}, data)


def test_records_are_read_by_fields_that_a_suite_gives() -> None:
    fields = {"pid": "u32@0", "comm": "char[8]@8"}

    found = drained(Drain(drain="m", fields=fields, where={"pid": 9}))

    assert found == {
        "count": 1,
        "lost": 0,
        "size": 16,
        "record": {"pid": 9, "comm": "cat"},
        "records": [{"pid": 9, "comm": "cat"}],
    }


def test_a_record_that_is_shorter_than_its_struct_ends_in_zeros(tmp_path: Path) -> None:
    source = """\
        struct event { unsigned int pid, kind; char comm[64]; };
        struct event event;
        """
    data = compile_bpf(source, tmp_path)

    found = drained(Drain(drain="m", struct="event"), data)

    assert found["count"] == 2
    assert (found["size"], found["record"]) == (8, {"pid": 7, "kind": 1, "comm": ""})


def test_a_record_is_shown_up_to_what_bpftool_can_not_format(tmp_path: Path) -> None:
    source = """\
        struct event { unsigned int pid; float load; int last; };
        struct event event;
        """

    found = drained(Drain(drain="m", struct="event"), compile_bpf(source, tmp_path))

    assert found["record"] == {"pid": 7, "load": UNSUPPORTED}
