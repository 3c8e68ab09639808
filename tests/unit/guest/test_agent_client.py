"""The client of the guest agent, over pipes to the agent itself."""

import base64
import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from runner.deadline import Deadline
from runner.errors import GuestError, RunnerError
from runner.guest.agent import AgentSession
from runner.guest.agenterrors import AgentError, AgentLost
from runner.guest.loads import MapSeen
from runner.guest.objectsettings import ObjectSettings
from runner.guest.replies import LoadedObject
from tests.unit.guest.agent_process import (
    COUNTER,
    LIBBPF,
    PATIENCE,
    REJECTED,
    AgentProcess,
    build,
    compile_bpf,
    start,
)


@pytest.fixture(scope="module")
def binary() -> Path:
    return build()


@pytest.fixture
def process(binary: Path, tmp_path: Path) -> Iterator[AgentProcess]:
    with start(binary, tmp_path / "errors") as started:
        yield started


@pytest.fixture
def session(process: AgentProcess) -> AgentSession:
    return AgentSession(process.channel)


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_bpf(COUNTER, tmp_path_factory.mktemp("counter"))


@pytest.fixture
def loaded(session: AgentSession, counter: bytes) -> LoadedObject:
    opened = session.open(counter, name="counter", timeout=PATIENCE)
    try:
        return session.load(opened.handle, timeout=PATIENCE)
    except AgentError as error:
        if error.errno_name in ("EPERM", "EACCES"):
            pytest.skip("no right to load BPF here; the vm tests do it in guests")
        raise


class ScriptedChannel:
    """Answers every request with what a function makes of it."""

    def __init__(self, answer: Callable[[dict[str, object]], bytes]) -> None:
        self._answer = answer
        self.requests: list[dict[str, object]] = []

    def send(self, data: bytes) -> None:
        assert data.endswith(b"\n")
        self.requests.append(json.loads(data))

    def receive_line(self, deadline: Deadline) -> bytes:
        return self._answer(self.requests[-1])


# ------------------------------------------------------------------ answers


def test_hello(session: AgentSession, process: AgentProcess) -> None:
    hello = session.hello(timeout=PATIENCE)

    assert hello.release == os.uname().release
    assert hello.pid == process.process.pid
    assert hello.libbpf == LIBBPF


def test_triggers(session: AgentSession, process: AgentProcess) -> None:
    agent = process.process.pid

    child = session.fork("sleeper", timeout=PATIENCE)
    assert (child.tgid, child.ppid, child.comm) == (child.pid, agent, "sleeper")
    session.release(child.pid, timeout=PATIENCE)
    session.fork(timeout=PATIENCE)
    session.release(timeout=PATIENCE)

    made = session.syscall("getpid", 3, timeout=PATIENCE)
    assert (made.pid, made.tid, made.count, made.result) == (agent, agent, 3, agent)

    assert session.sleep(0.001, timeout=PATIENCE).slept_ns >= 1_000_000

    packets = session.udp(100, port=9, times=2, timeout=PATIENCE)
    assert (packets.pid, packets.bytes, packets.sent) == (agent, 100, 2)
    assert packets.port == 9


def test_a_command(session: AgentSession) -> None:
    ran = session.run(
        ["sh", "-c", 'cat; echo "$WORD" >&2; exit 3'],
        stdin=b"in\xff",
        environment={"WORD": "set"},
        timeout=PATIENCE,
    )

    assert (ran.exit, ran.signal, ran.timed_out) == (3, None, False)
    assert (ran.stdout, ran.stderr) == ("in\ufffd", "set\n")


def test_a_commands_timeout_is_an_answer(session: AgentSession) -> None:
    ran = session.run(["sleep", "600"], timeout=0.1)

    assert (ran.exit, ran.signal, ran.timed_out) == (None, "SIGKILL", True)
    assert session.hello(timeout=PATIENCE)


def test_a_file(session: AgentSession) -> None:
    path = PurePosixPath("/proc/sys/kernel/ostype")

    assert session.read(path, timeout=PATIENCE) == "Linux\n"
    with pytest.raises(AgentError, match="ostype is larger than 3 bytes"):
        session.read(path, limit=3, timeout=PATIENCE)


def test_an_object_is_opened(session: AgentSession, counter: bytes) -> None:
    opened = session.open(
        counter,
        name="counter",
        settings=ObjectSettings(load={"mark": False}),
        timeout=PATIENCE,
    )

    assert [(row.name, row.load) for row in opened.programs] == [
        ("count", True),
        ("mark", False),
        ("on_call", True),
    ]
    assert [row.name for row in opened.maps][:2] == ["hits", "sizes"]
    assert "loading object 'counter'" in opened.log
    session.detach(opened.handle, timeout=PATIENCE)
    session.close_object(opened.handle, timeout=PATIENCE)


def test_a_loaded_object_runs_and_is_read(
    session: AgentSession, loaded: LoadedObject
) -> None:
    handle = loaded.handle
    assert all(program.id for program in loaded.programs)
    assert all(info.id for info in loaded.maps)

    ran = session.test_run(
        handle,
        "mark",
        data=bytes(60),
        context=struct.pack("<III", 0, 0, 41) + bytes(180),
        timeout=PATIENCE,
    )
    assert (ran.retval, ran.data) == (3, bytes(60))
    assert struct.unpack_from("<III", ran.context)[2] == 42

    plain = session.test_run(
        handle, "count", data=bytes(60), repeat=5, timeout=PATIENCE
    )
    assert (plain.retval, plain.context) == (7, b"")

    (row,) = session.dump(handle, "sizes", timeout=PATIENCE).rows
    assert row.key == struct.pack("<I", 46)
    assert row.value is not None
    assert struct.unpack("<Q4s4x", row.value) == (5, b"abc\0")
    assert row.values == ()

    first, _ = session.dump(handle, "hits", timeout=PATIENCE).rows
    assert first.value is None
    assert sum(struct.unpack("<I", value)[0] for value in first.values) == 5


def test_a_program_is_attached_and_detached(
    session: AgentSession, loaded: LoadedObject
) -> None:
    handle = loaded.handle

    assert session.attach(handle, "on_call", timeout=PATIENCE).attached
    assert not session.attach(handle, "count", timeout=PATIENCE).attached
    session.detach(handle, "on_call", timeout=PATIENCE)
    assert session.attach(handle, "on_call", timeout=PATIENCE).attached


# ------------------------------------------------------------------ refusals


def test_a_refusal_tells_operation_errno_and_log(
    session: AgentSession, loaded: LoadedObject, tmp_path: Path
) -> None:
    opened = session.open(compile_bpf(REJECTED, tmp_path), name="x", timeout=PATIENCE)

    with pytest.raises(AgentError, match="the object does not load") as caught:
        session.load(opened.handle, timeout=PATIENCE)

    assert isinstance(caught.value, RunnerError)
    assert not isinstance(caught.value, GuestError)
    assert caught.value.operation == "load"
    assert caught.value.errno_name == "EACCES"
    assert "R7 !read_ok" in caught.value.log
    assert session.hello(timeout=PATIENCE)


def test_a_refusal_without_errno(session: AgentSession) -> None:
    with pytest.raises(AgentError, match="not an ELF file") as caught:
        session.open(b"text", name="x", timeout=PATIENCE)

    assert (caught.value.operation, caught.value.errno_name) == ("open", None)


def test_a_missing_command_is_a_refusal(session: AgentSession) -> None:
    with pytest.raises(AgentError, match="can't run no-such-command") as caught:
        session.run(["no-such-command"], timeout=PATIENCE)

    assert caught.value.errno_name == "ENOENT"


@pytest.mark.parametrize("word", ["a\0b", "\ud800"])
def test_text_that_no_command_line_can_hold_is_a_refusal(
    session: AgentSession, word: str
) -> None:
    with pytest.raises(AgentError, match="not a JSON object"):
        session.run(["echo", word], timeout=PATIENCE)

    assert session.hello(timeout=PATIENCE)


# ---------------------------------------------------------------- the lost


def test_an_agent_that_is_gone_is_lost(
    session: AgentSession, process: AgentProcess
) -> None:
    process.process.kill()
    process.process.wait()

    with pytest.raises(AgentLost, match="disconnected during hello") as caught:
        session.hello(timeout=PATIENCE)

    assert isinstance(caught.value, GuestError)
    assert caught.value.cause == "gone"


def test_an_agent_that_was_interrupted_is_not_waited_for() -> None:
    def interrupted(request: dict[str, object]) -> bytes:
        raise KeyboardInterrupt

    channel = ScriptedChannel(interrupted)
    session = AgentSession(channel)
    with pytest.raises(KeyboardInterrupt):
        session.sleep(50, timeout=60)

    with pytest.raises(AgentLost, match="interrupted during sleep"):
        session.release(timeout=20)
    assert len(channel.requests) == 1


def test_an_agent_that_does_not_answer_is_lost_for_good(session: AgentSession) -> None:
    with pytest.raises(AgentLost, match=r"did not answer sleep within 0\.05 s") as late:
        session.sleep(60, timeout=0.05)
    assert late.value.cause == "no_answer"

    # Its answer may still come, and must not be taken for another one.
    with pytest.raises(AgentLost, match="hello was not requested, because the agent"):
        session.hello(timeout=PATIENCE)


HELLO = {
    "id": 1,
    "ok": True,
    "agent": "1",
    "libbpf": "1.1",
    "release": "6.1",
    "machine": "x86_64",
    "pid": 1,
    "clk_tck": 100,
    "cpus": 1,
    "page_size": 4096,
    "tick_ns": 4000000,
}


def answering(reply: object) -> AgentSession:
    line = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    return AgentSession(ScriptedChannel(lambda request: line))


def test_a_well_formed_answer_is_taken() -> None:
    assert answering(HELLO).hello(timeout=1).release == "6.1"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"Segmentation fault",
        b"\xff\xfe",
        b"[" * 100_000,
        [],
        5,
        None,
        {},
        {"id": 1},
        {**HELLO, "id": 2},
        {**HELLO, "id": None},
        {**HELLO, "id": "1"},
        {**HELLO, "ok": "true"},
        {**HELLO, "pid": "init"},
        {**HELLO, "cpus": 0},
        {key: value for key, value in HELLO.items() if key != "release"},
        {"id": 1, "ok": False},
        {"id": 1, "ok": False, "error": "no", "log": ""},
        {"id": 1, "ok": False, "error": {"message": "no", "errno": 5}, "log": ""},
        {"id": 1, "ok": False, "error": {"message": "no", "errno": "<b>"}, "log": ""},
        {"id": 1, "ok": False, "error": {"message": "no", "errno": None}},
    ],
)
def test_an_answer_of_another_shape_loses_the_agent(reply: object) -> None:
    session = answering(reply)

    with pytest.raises(AgentLost, match=r"the agent (answered|did not answer)"):
        session.hello(timeout=1)
    with pytest.raises(AgentLost, match="was not requested"):
        session.hello(timeout=1)


def test_bytes_that_are_no_base64_lose_the_agent() -> None:
    session = answering(
        {"id": 1, "ok": True, "rows": [{"key": "AA=", "value": ""}], "log": ""}
    )

    with pytest.raises(AgentLost):
        session.dump(1, "x", timeout=1)


def test_requests_are_lines_with_ids() -> None:
    channel = ScriptedChannel(
        lambda request: json.dumps({"id": request["id"], "ok": True}).encode()
    )
    session = AgentSession(channel)

    session.release(timeout=1)
    session.put("/run/agent/x", b"\0\n", mode=0o755, timeout=1)

    assert channel.requests == [
        {"id": 1, "op": "release", "pid": None},
        {
            "id": 2,
            "op": "put",
            "path": "/run/agent/x",
            "data": base64.b64encode(b"\0\n").decode(),
            "mode": 0o755,
        },
    ]


ENDED = {
    "id": 1,
    "ok": True,
    "pid": 5,
    "exit": 0,
    "signal": None,
    "timed_out": False,
    "duration_ms": 1,
}
RECORD = {
    "call": "map",
    "name": "events",
    "type": "ringbuf",
    "key_size": 0,
    "value_size": 0,
    "max_entries": 4096,
    "btf": False,
    "pid": 5,
    "process": "tool",
    "error": "",
}


def streaming(*events: object) -> list[object]:
    """Return what was recorded of a command, of which an agent says this."""
    lines = iter([*events, ENDED])
    channel = ScriptedChannel(lambda request: json.dumps(next(lines)).encode())
    seen: list[object] = []
    AgentSession(channel).stream(
        ["x"], show=lambda *_: None, record=seen.append, timeout=1
    )
    return seen


def test_what_a_command_loads_is_handed_on_as_it_comes() -> None:
    assert streaming({"id": 1, "record": RECORD}) == [MapSeen.model_validate(RECORD)]


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {},
        {**RECORD, "call": "bomb"},
        {**RECORD, "name": "x" * 65},
        {**RECORD, "max_entries": -1},
        {**RECORD, "pid": "init"},
        {**RECORD, "error": "no\nnewline"},
        {"call": "missing", "why": "<script>", "error": ""},
        {key: value for key, value in RECORD.items() if key != "type"},
    ],
)
def test_a_record_of_another_shape_loses_the_agent(record: object) -> None:
    with pytest.raises(AgentLost, match="the agent answered run with"):
        streaming({"id": 1, "record": record})
