"""The guest agent, driven on this machine under AddressSanitizer."""

import base64
import io
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.deadline import Deadline
from tests.unit.guest.agent_process import (
    COUNTER,
    LIBBPF,
    LONG,
    PATIENCE,
    REJECTED,
    ROOT,
    AgentProcess,
    build,
    compile_bpf,
    encoded,
    start,
)


@pytest.fixture(scope="module")
def binary() -> Path:
    return build()


@pytest.fixture
def agent(binary: Path, tmp_path: Path) -> Iterator[AgentProcess]:
    """A session; every test's also ends in order, without a leak."""
    with start(binary, tmp_path / "errors") as started:
        yield started
        if started.process.poll() is None:
            assert started.end() == 0, (tmp_path / "errors").read_text()


@pytest.fixture(scope="module")
def shared_agent(
    binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentProcess]:
    """A session that many examples are sent to, and that survives them all."""
    errors = tmp_path_factory.mktemp("agent") / "errors"
    with start(binary, errors) as started:
        yield started
        assert started.end() == 0, errors.read_text()


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_bpf(COUNTER, tmp_path_factory.mktemp("counter"))


def dead(pid: int) -> bool:
    """Wait until a process is gone, or a zombie of another's."""
    deadline = Deadline.after(PATIENCE)
    while not deadline.expired:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if text.rpartition(")")[2].split()[0] == "Z":
            return True
    return False


# ------------------------------------------------------------ command line


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["/bin/sh", "-c", "exit 7"], 7),
        # As a shell says it: 128 + SIGTERM.
        (["/bin/sh", "-c", "kill -TERM $$"], 143),
        # Its signals and its children are its own.
        (["/bin/sh", "-c", "trap 'exit 3' USR1; kill -USR1 $$"], 3),
        (["/bin/sh", "-c", "(exit 4) & wait $!"], 4),
        (["/nowhere/loader"], 127),
    ],
)
def test_a_traced_loader_ends_as_it_would_untraced(
    binary: Path, command: list[str], status: int
) -> None:
    done = subprocess.run([binary, "trace", *command], timeout=PATIENCE, check=False)

    assert done.returncode == status


def test_help_and_version_are_told(binary: Path) -> None:
    def said(argument: str) -> str:
        return subprocess.run(
            [binary, argument], capture_output=True, text=True, check=True
        ).stdout

    assert "prepare" in said("--help")
    assert said("--version") == f"agent 0.1.0, libbpf {LIBBPF}\n"


@pytest.mark.parametrize(
    ("line", "printed", "status"),
    [
        ("/usr/bin/agent --version", f"agent 0.1.0, libbpf {LIBBPF}\n", 0),
        ("echo $((1 + 1)) $SHELL", "2 /bin/sh\n", 0),
        ("exit 7", "", 7),
        # No command of the agent, so that it is the shell's.
        ("/usr/bin/agent --version 2>/dev/null; echo done", "done\n", 0),
    ],
)
def test_as_a_shell_it_runs_what_a_shell_would(
    binary: Path, line: str, printed: str, status: int
) -> None:
    done = subprocess.run([binary, "-c", line], capture_output=True, text=True)

    assert (done.stdout, done.returncode) == (printed, status)


def test_a_log_in_gets_the_shell(binary: Path) -> None:
    done = subprocess.run(
        ["-agent"],
        executable=binary,
        input="echo in $0",
        capture_output=True,
        text=True,
    )

    assert done.stdout == "in -sh\n"


def test_as_the_kernels_first_program_it_becomes_busyboxs_init(binary: Path) -> None:
    done = subprocess.run(
        ["/init"], executable=binary, capture_output=True, text=True, timeout=60
    )

    # Which only works as the first program.
    assert done.stderr == "init: must be run as PID 1\n"


@pytest.mark.parametrize("arguments", [[], ["sessoin"], ["session", "more"]])
def test_wrong_usage_is_status_2(binary: Path, arguments: list[str]) -> None:
    done = subprocess.run([binary, *arguments], capture_output=True, text=True)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: agent COMMAND" in done.stderr


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    elsewhere = tmp_path / "a/copy/of/the/agent"
    shutil.copytree(ROOT / "images/agent", elsewhere)
    shutil.copytree(ROOT / "images/common", elsewhere.parent / "common")

    subprocess.run(["make", "-s", "-C", elsewhere, "BUILD=out"], check=True)
    copy = (elsewhere / "out/agent").read_bytes()

    assert copy == build("agent").read_bytes()
    assert str(tmp_path).encode() not in copy


# -------------------------------------------------------------------- acts


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A folder for the files of acts."""
    made = tmp_path / "stage"
    made.mkdir()
    return made


def test_another_process_does_things(agent: AgentProcess, stage: Path) -> None:
    acts = [
        *("create", "write", "read", "truncate", "chmod", "rename", "exchange"),
        *("link", "mmap", "unlink", "mknod", "mkdir", "exec", "signal", "ptrace"),
    ]

    done = agent.ask("act", acts=acts, comm="me", folder=str(stage))

    assert done["done"] == len(acts)
    assert done["comm"] == "me"
    assert done["pid"] != agent.process.pid
    assert done["inode"] > 0
    assert dead(done["pid"])
    assert dead(done["target"])
    assert list(stage.iterdir()) == []


def test_an_act_that_fails_is_named(agent: AgentProcess, stage: Path) -> None:
    said = agent.refusal("act", acts=["unlink"], folder=str(stage))

    assert said == "the process can't unlink: No such file or directory"


def test_what_acts_leave_is_removed(agent: AgentProcess, stage: Path) -> None:
    assert agent.ask("act", acts=["create", "rename"], folder=str(stage))["ok"]
    assert list(stage.iterdir()) == []


# ---------------------------------------------------------------- protocol


def test_hello_describes_the_guest(agent: AgentProcess) -> None:
    hello = agent.ask("hello")

    assert hello["release"] == os.uname().release
    assert hello["machine"] == os.uname().machine
    assert hello["pid"] == agent.process.pid
    assert hello["clk_tck"] == os.sysconf("SC_CLK_TCK")
    assert hello["page_size"] == os.sysconf("SC_PAGESIZE")
    # CLOCK_MONOTONIC_COARSE, which Python has no name for.
    assert hello["tick_ns"] == round(time.clock_getres(6) * 1e9)
    assert hello["cpus"] >= 1
    assert hello["libbpf"] == LIBBPF


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b'{"id": 1, "op": "hello"} {}',
        b'{"id": 1, "id": 2, "op": "hello"}',
        b'{"id": 99999999999999999999, "op": "hello"}',
        b'{"id": 1, "op": "hello\0"}',
        b'{"id": 1, "op": "hello\\u0000"}',
        b'{"id": 1, "op": "\\ud800"}',
        b'{"id": 1, "op": "\xff\xfe"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        "é".encode() * 500,
    ],
)
def test_a_line_that_is_no_request_is_refused(
    shared_agent: AgentProcess, line: bytes
) -> None:
    reply = shared_agent.exchange(line)

    assert reply["ok"] is False
    assert reply["id"] is None
    assert "JSON object" in reply["error"]["message"]
    assert shared_agent.ask("hello")["ok"]


@pytest.mark.parametrize("id_", [None, "1", 1.5, True, [1], {}])
def test_an_id_must_be_an_integer(shared_agent: AgentProcess, id_: object) -> None:
    reply = shared_agent.exchange(json.dumps({"id": id_, "op": "hello"}).encode())

    assert reply["id"] is None
    assert reply["error"]["message"] == '"id" must be an integer'


def test_a_wrong_operation_keeps_its_id_and_names_the_near_one(
    shared_agent: AgentProcess,
) -> None:
    reply = shared_agent.ask("attahc")

    assert 'no operation "attahc"' in reply["error"]["message"]
    assert "did you mean attach?" in reply["error"]["message"]


@pytest.mark.parametrize(
    ("operation", "arguments", "said"),
    [
        ("sleep", {}, 'argument "seconds" must be a number of seconds from 0 to 3600'),
        ("sleep", {"seconds": "1"}, "it is a text"),
        ("sleep", {"seconds": -1}, "it is -1"),
        ("sleep", {"seconds": 1e300}, "it is a real number"),
        ("sleep", {"second": 1}, 'no argument "second": did you mean seconds?'),
        ("syscall", {}, 'argument "name" must be a text; it is missing'),
        ("syscall", {"name": "getpidd"}, "did you mean"),
        ("syscall", {"name": "reboot"}, "there are getpgid, getppid"),
        ("syscall", {"name": "getpid", "times": 0}, "from 1 to 1000000; it is 0"),
        ("syscall", {"name": "getpid", "times": 2**62}, f"it is {2**62}"),
        ("syscall", {"name": "getpid", "times": 1.0}, "it is a real number"),
        ("act", {"acts": []}, "a list of 1 to 32 acts"),
        ("act", {"acts": ["unlnk"]}, 'no act "unlnk": did you mean unlink?'),
        ("act", {"acts": ["exec"], "comm": "a" * 16}, "at most 15 bytes"),
        ("udp", {"bytes": 65508, "port": 9}, 'argument "bytes" must be an integer'),
        ("udp", {"bytes": 1, "port": 0}, 'argument "port" must be an integer'),
        ("udp", {"bytes": 1, "port": 65536}, "from 1 to 65535"),
        ("udp", {"bytes": 1, "port": 9, "times": -1}, 'argument "times"'),
        ("udp", {"bytes": 1, "port": 9, "ip": 5}, '"ip" must be 4 or 6; it is 5'),
        ("udp", {"bytes": 1, "port": 9, "ip": 7}, 'argument "ip" must be an integer'),
        ("udp", {"bytes": 1, "port": 9, "received": 1}, "must be true or false"),
        ("tcp", {"bytes": 16385, "port": 9}, 'argument "bytes" must be an integer'),
        ("tcp", {"bytes": 1, "port": 9, "accepted": 0}, "must be true or false"),
        ("fork", {"comm": 5}, 'argument "comm" must be a text'),
        ("fork", {"comm": "x" * 16}, "at most 15 bytes; it has 16"),
        ("fork", {"comm": "é" * 8}, "at most 15 bytes; it has 16"),
        ("release", {"pid": 1}, "must be a child that fork returned, not 1"),
        ("release", {"pid": -1}, 'argument "pid" must be an integer'),
        ("run", {"timeout_ms": 5}, 'argument "argv" must be an array'),
        ("run", {"argv": ["x"]}, 'argument "timeout_ms"'),
        ("run", {"argv": [], "timeout_ms": 5}, "it is empty"),
        ("run", {"argv": [""], "timeout_ms": 5}, "it is empty"),
        ("run", {"argv": ["a", 1], "timeout_ms": 5}, "its word 1 is not a text"),
        ("run", {"argv": ["a"], "timeout_ms": 0}, 'argument "timeout_ms"'),
        ("run", {"argv": ["a"], "timeout_ms": 5, "stdin": "x"}, "must be base64"),
        ("run", {"argv": ["a"], "timeout_ms": 5, "stdin": "A==="}, "must be base64"),
        ("run", {"argv": ["a"], "timeout_ms": 5, "env": []}, 'argument "env"'),
        ("run", {"argv": ["a"], "timeout_ms": 5, "env": {"a=": "b"}}, '"a=" does not'),
        ("run", {"argv": ["a"], "timeout_ms": 5, "env": {"a": 1}}, '"a" does not'),
        ("read", {"path": "etc/passwd"}, "must begin with /"),
        ("read", {"path": "/proc/self/comm", "max": 0}, 'argument "max"'),
        ("open", {"object": ""}, 'argument "name" must be a text'),
        ("open", {"name": "x"}, 'argument "object" must be base64'),
        ("open", {"name": "x", "object": "?"}, 'argument "object" must be base64'),
        ("open", {"name": "x", "object": "", "path": "/"}, "exclude each other"),
        ("open", {"name": "x", "object": "", "programs": []}, 'argument "programs"'),
        ("open", {"name": "x", "object": "", "maps": 1}, 'argument "maps"'),
        ("open", {"name": "x", "object": "", "variables": 1}, 'argument "variables"'),
        ("there", {}, 'argument "places" must be an array'),
        ("there", {"places": [1]}, 'argument "places" must be a list of texts'),
        ("load", {"handle": 77}, "must be that of an open object, not 77"),
        ("load", {"handle": "1"}, 'argument "handle" must be an integer'),
        ("attach", {"handle": 0, "program": "x"}, 'argument "handle"'),
        ("dump", {"handle": 1, "map": "x"}, 'argument "handle"'),
        ("test_run", {"handle": 1, "program": "x", "data": ""}, 'argument "handle"'),
        ("close", {}, 'argument "handle"'),
        ("census", {"sysctls": 2}, "sysctls"),
        ("aftermath", {"begin": 2}, "begin"),
        ("settle", {}, "most"),
        ("settle", {"most": -1}, "most"),
        ("wake", {"entropy": "AAAA"}, "time_ns"),
        ("wake", {"time_ns": -1, "entropy": "AAAA"}, "time_ns"),
        ("wake", {"time_ns": 1}, "entropy"),
        ("wake", {"time_ns": 1, "entropy": "?"}, "entropy"),
        ("wake", {"time_ns": 1, "entropy": ""}, "entropy"),
    ],
)
def test_a_wrong_argument_is_named(
    shared_agent: AgentProcess,
    operation: str,
    arguments: dict[str, object],
    said: str,
) -> None:
    assert said in shared_agent.refusal(operation, **arguments)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-3, 40)
    | st.floats()
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
# Values that must not be left to chance: the agent would sleep, or run a program.
TAMED: dict[str, st.SearchStrategy[Any]] = {
    "seconds": st.floats(max_value=0.001) | st.text() | st.none() | st.just([]),
    "argv": st.just(["/nonexistent"]) | st.integers() | st.lists(st.integers()),
    "path": st.sampled_from(
        ["/nonexistent", "/proc/self/stat", "", "/run/agent/..", "/proc"]
    ),
    "times": st.integers(-1, 3) | st.text(),
    "object": st.binary(max_size=200).map(lambda data: encoded(b"\x7fELF" + data))
    | st.text(),
    "name": st.sampled_from(["getpid", "getuid", "x"]) | st.text(),
    "most": st.integers(-1, 8 << 20) | st.text(),
}
ARGUMENTS = [
    *("seconds", "argv", "path", "times", "object", "name", "handle", "program"),
    *("map", "comm", "pid", "bytes", "port", "timeout_ms", "stdin", "env", "data"),
    *("mode", "max", "btf", "programs", "ctx", "repeat", "log_level"),
    *("most", "maps", "variables", "places"),
]
OPERATIONS = [
    *("hello", "put", "read", "open", "load", "attach", "detach", "close", "test_run"),
    # Not "wake", which would set this machine's clock.
    *("dump", "fork", "release", "syscall", "sleep", "udp", "tcp", "run", "settle"),
]
FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FUZZ
@given(line=st.binary(max_size=300).filter(lambda line: b"\n" not in line))
def test_random_bytes_are_refused(shared_agent: AgentProcess, line: bytes) -> None:
    assert shared_agent.exchange(line)["ok"] is False


@FUZZ
@given(request=JSON)
def test_random_json_is_refused(shared_agent: AgentProcess, request: object) -> None:
    assert shared_agent.exchange(json.dumps(request).encode())["ok"] is False


@st.composite
def requests(draw: st.DrawFn) -> dict[str, object]:
    names = draw(st.lists(st.sampled_from(ARGUMENTS), max_size=5, unique=True))
    return {name: draw(TAMED.get(name, JSON)) for name in names}


@FUZZ
@given(operation=st.sampled_from(OPERATIONS), arguments=requests())
def test_random_requests_are_answered(
    shared_agent: AgentProcess, operation: str, arguments: dict[str, object]
) -> None:
    line = json.dumps({"id": 1, "op": operation, **arguments}).encode()

    assert shared_agent.exchange(line)["id"] in (1, None)
    assert shared_agent.ask("release")["ok"]


def test_a_census_shows_what_was_begun_until_it_is_over(agent: AgentProcess) -> None:
    def processes() -> list[str]:
        return agent.ask("census")["parts"]["processes"]  # type: ignore[no-any-return]

    assert "left-behind" not in processes()
    agent.ask("fork", comm="left-behind")
    assert processes().count("left-behind") == 1
    agent.ask("release")
    assert "left-behind" not in processes()


def test_a_census_has_sysctls_for_who_wants_them(agent: AgentProcess) -> None:
    first, again = (agent.ask("census", sysctls=1)["parts"] for _ in range(2))

    assert "sysctls" not in agent.ask("census")["parts"]
    assert [it for it in first["sysctls"] if it.startswith("/proc/sys/kernel: ")]
    assert first["descriptors of the agent"] == again["descriptors of the agent"]
    assert len(first["interfaces"]) >= 1


def test_the_kernels_log_begins_where_the_session_does(agent: AgentProcess) -> None:
    try:
        os.close(os.open("/dev/kmsg", os.O_RDONLY))
        is_readable = True
    except OSError:
        # Containers may hide it.
        is_readable = False

    first = agent.ask("aftermath")
    agent.ask("aftermath", begin=1)

    assert not first["incomplete"]
    assert (first["records"] is None) is not is_readable
    # This machine logs little, and most likely nothing now.
    assert len(first["records"] or []) < 100
    opened = agent.ask("census")["parts"]["descriptors of the agent"]
    assert opened.count("/dev/kmsg") == int(is_readable)


def test_settling_clears_as_much_as_it_may(agent: AgentProcess) -> None:
    assert agent.ask("settle", most=0)["cleared"] == 0
    assert agent.ask("settle", most=9 << 20)["cleared"] == 8 << 20


def test_a_request_may_have_megabytes(agent: AgentProcess) -> None:
    reply = agent.ask("open", name="x", object=encoded(bytes(20 << 20)))

    assert "not an ELF file (20971520 bytes)" in reply["error"]["message"]


def test_requests_may_come_together(agent: AgentProcess) -> None:
    lines = b"".join(b'{"id": %d, "op": "hello"}\n' % i for i in range(100))
    agent.channel.send(lines)

    ids = [
        json.loads(agent.channel.receive_line(Deadline.after(PATIENCE)))["id"]
        for _ in range(100)
    ]

    assert ids == list(range(100))


# ---------------------------------------------------------------- triggers


def test_a_forked_child_sleeps(agent: AgentProcess) -> None:
    child = agent.ask("fork", comm="a (b) c")
    stat = Path(f"/proc/{child['pid']}/stat").read_text()

    assert stat.rpartition(")")[2].split()[0] == "S"
    assert child["comm"] == "a (b) c"
    assert child["tgid"] == child["pid"]
    assert child["ppid"] == agent.process.pid


def test_a_forked_child_holds_no_descriptor(agent: AgentProcess) -> None:
    child = agent.ask("fork")

    assert child["comm"] == Path(f"/proc/{agent.process.pid}/comm").read_text().strip()
    assert os.listdir(f"/proc/{child['pid']}/fd") == []


def test_release_ends_one_child_or_all(agent: AgentProcess) -> None:
    first, second, third = (agent.ask("fork", comm=None)["pid"] for _ in range(3))

    assert agent.ask("release", pid=second)["ok"]
    assert not Path(f"/proc/{second}").exists()
    assert Path(f"/proc/{first}").exists()
    assert "that fork returned" in agent.refusal("release", pid=second)

    assert agent.ask("release", pid=None)["ok"]
    assert not Path(f"/proc/{first}").exists()
    assert not Path(f"/proc/{third}").exists()


def test_a_child_that_was_killed_can_be_released(agent: AgentProcess) -> None:
    pid = agent.ask("fork")["pid"]
    os.kill(pid, signal.SIGKILL)

    # Reaps what ended.
    agent.ask("run", argv=["true"], timeout_ms=10_000)

    assert agent.ask("release", pid=pid)["ok"]
    assert "that fork returned" in agent.refusal("release", pid=pid)


def test_release_ends_what_commands_left_behind(agent: AgentProcess) -> None:
    ran = agent.ask(
        "run",
        argv=["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"],
        timeout_ms=10_000,
    )

    assert agent.ask("release")["ok"]
    assert dead(int(ran["stdout"]))


@pytest.mark.parametrize(
    ("script", "left"),
    [
        pytest.param("setsid sleep 600", [True], id="at-once"),
        pytest.param("sleep 0.05; exec setsid sleep 600", [True], id="a-moment-later"),
        pytest.param("setsid sleep 600; :", [False, True], id="further-below"),
        pytest.param("exec sleep 600", [False], id="in-the-session"),
        pytest.param("sleep 0.05", [], id="about-to-end"),
    ],
)
def test_what_a_command_leaves_behind_is_judged_once_it_settled(
    agent: AgentProcess, script: str, left: list[bool]
) -> None:
    ran = agent.ask(
        "run",
        argv=["sh", "-c", f"({script}) >/dev/null 2>&1 &"],
        timeout_ms=10_000,
        stream=1,
    )

    assert sorted(it["daemon"] for it in ran["left"]) == left


def test_the_end_of_input_ends_every_process(agent: AgentProcess) -> None:
    forked = [agent.ask("fork")["pid"] for _ in range(3)]
    left = agent.ask(
        "run", argv=["sh", "-c", "setsid sleep 600 & echo $!"], timeout_ms=10_000
    )

    assert agent.end() == 0
    assert all(dead(pid) for pid in [*forked, int(left["stdout"])])


def test_children_die_with_an_agent_that_is_killed(agent: AgentProcess) -> None:
    pid = agent.ask("fork")["pid"]

    agent.process.kill()

    assert dead(pid)


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("getpid", lambda agent: agent.process.pid),
        ("getppid", lambda agent: os.getpid()),
        ("getpgid", lambda agent: os.getpgid(agent.process.pid)),
        ("getuid", lambda agent: os.getuid()),
        ("nanosleep", lambda agent: 0),
    ],
)
def test_system_calls_are_made(
    agent: AgentProcess, name: str, result: Callable[[AgentProcess], int]
) -> None:
    made = agent.ask("syscall", name=name, times=5)

    assert made["count"] == 5
    assert made["result"] == result(agent)
    assert made["pid"] == made["tid"] == agent.process.pid


def test_opened_files_are_closed_again(agent: AgentProcess) -> None:
    assert agent.ask("syscall", name="openat", times=5000)["result"] > 2


def test_sleep_takes_its_time(agent: AgentProcess) -> None:
    assert agent.ask("sleep", seconds=0.02)["slept_ns"] >= 20_000_000


def test_an_abandoned_session_does_not_sleep_on(binary: Path, tmp_path: Path) -> None:
    with start(binary, tmp_path / "errors") as agent:
        agent.channel.send(b'{"id": 1, "op": "sleep", "seconds": 3000}\n')
        assert agent.process.stdout is not None
        agent.process.stdout.close()

        assert agent.end() == 0


def test_packets_are_sent(agent: AgentProcess) -> None:
    sent = agent.ask("udp", bytes=1200, port=9, times=3)

    assert sent["bytes"] == 1200
    assert sent["port"] == 9
    assert sent["sent"] == 3
    assert 0 < sent["source_port"] < 65536


@pytest.mark.parametrize("ip", [4, 6])
def test_packets_are_received_unless_nobody_is_to(agent: AgentProcess, ip: int) -> None:
    port = free_port(socket.SOCK_DGRAM)

    sent = agent.ask("udp", bytes=10, port=port, times=3, ip=ip)
    assert (sent["sent"], sent["received"]) == (3, 3)

    sent = agent.ask("udp", bytes=10, port=port, times=3, ip=ip, received=False)
    assert (sent["sent"], sent["received"]) == (3, 0)


def test_a_port_that_must_have_no_receiver_is_refused_if_it_has_one(
    agent: AgentProcess,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        failure = agent.refusal(
            "udp", bytes=1, port=taken.getsockname()[1], received=False
        )
    assert "must have no receiver" in failure


@pytest.mark.parametrize("ip", [4, 6])
def test_connections_are_made_and_carry_bytes(agent: AgentProcess, ip: int) -> None:
    port = free_port(socket.SOCK_STREAM)

    made = agent.ask("tcp", bytes=16384, port=port, times=3, ip=ip)

    assert (made["connections"], made["refused"]) == (3, 0)
    assert made["received"] == 3 * 16384
    assert made["source_port"] not in (0, port)


def test_a_connection_may_carry_nothing(agent: AgentProcess) -> None:
    port = free_port(socket.SOCK_STREAM)
    assert agent.ask("tcp", bytes=0, port=port)["connections"] == 1
    # At once again, although the first one keeps the port for a minute.
    assert agent.ask("tcp", bytes=0, port=port)["connections"] == 1


def test_connections_are_refused_where_nobody_listens(agent: AgentProcess) -> None:
    made = agent.ask(
        "tcp", bytes=5, port=free_port(socket.SOCK_STREAM), times=2, accepted=False
    )
    assert (made["connections"], made["refused"], made["received"]) == (0, 2, 0)


def test_a_port_that_somebody_listens_at_is_not_taken(agent: AgentProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        listening = agent.refusal("tcp", bytes=0, port=port)
        refusing = agent.refusal("tcp", bytes=0, port=port, accepted=False)
    assert f"can't listen at port {port}" in listening
    assert f"port {port} must have no listener" in refusing


def free_port(kind: int) -> int:
    """Return a port that nobody uses now."""
    with socket.socket(socket.AF_INET, kind) as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


def test_packets_may_be_empty(agent: AgentProcess) -> None:
    assert agent.ask("udp", bytes=0, port=65535)["sent"] == 1


# ---------------------------------------------------------------- commands


def shell(agent: AgentProcess, script: str, **arguments: object) -> dict[str, Any]:
    arguments.setdefault("timeout_ms", 30_000)
    reply = agent.ask("run", argv=["sh", "-c", script], **arguments)
    assert reply["ok"], reply
    return reply


def test_a_command_tells_how_it_ended(agent: AgentProcess) -> None:
    ran = shell(agent, "echo out; echo err >&2; exit 3")

    assert (ran["exit"], ran["signal"], ran["timed_out"]) == (3, None, False)
    assert (ran["stdout"], ran["stderr"]) == ("out\n", "err\n")
    assert ran["truncated"] is False


def test_a_signal_is_named(agent: AgentProcess) -> None:
    ran = shell(agent, "kill -SEGV $$")

    assert (ran["exit"], ran["signal"], ran["timed_out"]) == (None, "SIGSEGV", False)


def test_a_command_that_does_not_end_is_killed(agent: AgentProcess) -> None:
    ran = shell(agent, "echo begun; sleep 600", timeout_ms=300)

    assert (ran["exit"], ran["signal"], ran["timed_out"]) == (None, "SIGKILL", True)
    assert ran["stdout"] == "begun\n"
    assert 300 <= ran["duration_ms"] < 30_000


def test_a_timeout_kills_the_whole_group(agent: AgentProcess) -> None:
    ran = shell(agent, "sleep 600 & echo $!; wait", timeout_ms=300)

    assert ran["timed_out"]
    assert dead(int(ran["stdout"]))


def test_a_command_that_ignores_signals_is_killed(agent: AgentProcess) -> None:
    ran = shell(agent, "trap '' TERM INT HUP; while :; do :; done", timeout_ms=300)

    assert ran["timed_out"]


def test_what_keeps_the_pipes_open_is_not_waited_for(agent: AgentProcess) -> None:
    ran = shell(agent, "sleep 600 & echo done", timeout_ms=60_000)

    assert ran["stdout"] == "done\n"
    assert ran["duration_ms"] < 30_000


def test_what_goes_on_writing_is_not_read_for_ever(agent: AgentProcess) -> None:
    ran = shell(agent, "yes & exit 0", timeout_ms=60_000)

    assert ran["exit"] == 0
    assert ran["duration_ms"] < 30_000


def test_pipes_full_on_all_sides_do_not_block(agent: AgentProcess) -> None:
    ran = shell(
        agent,
        "yes e | head -c 1000000 >&2; yes o | head -c 1000000; cat",
        stdin=encoded(b"i" * 1_000_000),
    )

    assert ran["exit"] == 0
    assert len(ran["stderr"]) == 1_000_000
    assert len(ran["stdout"]) == 2_000_000


def test_input_that_is_not_read_is_no_error(agent: AgentProcess) -> None:
    ran = shell(agent, "exec <&-; sleep 0.1; exit 4", stdin=encoded(bytes(1 << 20)))

    assert ran["exit"] == 4


def test_long_output_is_cut_and_read_to_its_end(agent: AgentProcess) -> None:
    ran = shell(
        agent, "echo begin; yes | head -c 100000000; echo end", most_output=2000
    )

    note = "\n[... 99998010 bytes are left out ...]\n"
    assert ran["truncated"] is True
    assert ran["stdout"].startswith("begin\ny\n")
    assert ran["stdout"].endswith("y\nend\n")
    assert ran["stdout"].count(note) == 1
    assert len(ran["stdout"]) == 2000 + len(note)


def test_output_of_sixteen_megabytes_is_whole(agent: AgentProcess) -> None:
    ran = shell(agent, "yes | head -c 16777216; echo end >&2")

    assert ran["truncated"] is False
    assert ran["stdout"] == "y\n" * (8 << 20)
    assert ran["stderr"] == "end\n"


@pytest.mark.parametrize("extra", [-1, 0, 1, 999, 1000, 1001, 2000, 70_000])
def test_the_middle_is_left_out_by_bytes(agent: AgentProcess, extra: int) -> None:
    given = "".join(f"{number:04}\n" for number in range(15_000))[: 2000 + extra]
    ran = agent.ask(
        "run",
        argv=["cat"],
        stdin=encoded(given.encode()),
        most_output=2000,
        timeout_ms=30_000,
    )

    note = f"\n[... {extra} bytes are left out ...]\n" if extra > 0 else ""
    shown = f"{given[:1000]}{note}{given[-1000:]}" if extra > 0 else given
    assert (ran["stdout"], ran["truncated"]) == (shown, extra > 0)


def test_output_that_is_no_text_becomes_text(agent: AgentProcess) -> None:
    given = b"a\x00b\xff\xc3\xa9\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82\x1b[31m"
    ran = agent.ask("run", argv=["cat"], stdin=encoded(given), timeout_ms=30_000)

    assert ran["stdout"] == "a\0b\ufffdé" + "\ufffd" * 9 + "\x1b[31m"


@FUZZ
@given(given=st.binary(max_size=60) | st.text(max_size=20).map(str.encode))
def test_only_what_is_no_utf8_is_replaced(
    shared_agent: AgentProcess, given: bytes
) -> None:
    ran = shared_agent.ask("run", argv=["cat"], stdin=encoded(given), timeout_ms=30_000)
    try:
        expected = given.decode()
    except UnicodeDecodeError:
        assert "\ufffd" in ran["stdout"]
    else:
        assert ran["stdout"] == expected


def test_the_environment_is_added_to(agent: AgentProcess) -> None:
    ran = shell(agent, 'echo "$NEW:$PATH"', env={"NEW": "a b"})

    assert ran["stdout"] == f"a b:{os.environ['PATH']}\n"


@pytest.mark.parametrize(
    ("program", "errno"),
    [
        ("no-such-program", "ENOENT"),
        ("/etc/passwd", "EACCES"),
        ("/", "EACCES"),
        ("x" * 300, "ENAMETOOLONG"),
    ],
)
def test_a_program_that_does_not_run_is_an_error(
    agent: AgentProcess, program: str, errno: str
) -> None:
    reply = agent.ask("run", argv=[program], timeout_ms=5000)

    assert reply["error"]["errno"] == errno
    assert f"can't run {program}: " in reply["error"]["message"]


def test_commands_leave_no_descriptor_behind(agent: AgentProcess) -> None:
    descriptors = Path(f"/proc/{agent.process.pid}/fd")
    shell(agent, "true")
    before = sorted(os.listdir(descriptors))

    shell(agent, "exit 1")
    shell(agent, "sleep 9", timeout_ms=10)
    agent.ask("run", argv=["no-such-program"], timeout_ms=5000)
    agent.ask("fork")
    agent.ask("udp", bytes=1, port=9)
    agent.ask("tcp", bytes=1, port=free_port(socket.SOCK_STREAM))

    assert sorted(os.listdir(descriptors)) == before


def test_a_command_has_the_standard_descriptors_only(agent: AgentProcess) -> None:
    ran = agent.ask("run", argv=["ls", "/proc/self/fd"], timeout_ms=30_000)

    # The fourth is the folder that ls reads.
    assert ran["stdout"].split() == ["0", "1", "2", "3"]


# ------------------------------------------------------------------- files


def test_small_files_are_read(agent: AgentProcess) -> None:
    assert agent.ask("read", path="/proc/self/comm")["text"] == "agent-asan\n"


def test_a_long_file_is_cut(agent: AgentProcess) -> None:
    reply = agent.ask("read", path="/proc/self/status", max=5)

    assert (reply["text"], reply["truncated"]) == ("Name:", True)


def test_a_file_without_end_is_cut(agent: AgentProcess) -> None:
    assert agent.ask("read", path="/dev/zero", max=4)["text"] == "\0" * 4


def test_a_file_that_would_block_does_not(agent: AgentProcess, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    assert agent.ask("read", path=str(tmp_path / "fifo"))["text"] == ""


@pytest.mark.parametrize(
    ("path", "errno"), [("/nonexistent", "ENOENT"), ("/proc", "EISDIR")]
)
def test_a_file_that_is_not_there_is_an_error(
    agent: AgentProcess, path: str, errno: str
) -> None:
    assert agent.ask("read", path=path)["error"]["errno"] == errno


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "x", "../x", "/run/agent", "/run/agent/", "/run/agentx/y"),
        *("/run/agent/../x", "/run/agent/a/../../x", "/run/agent/..", "/run/agent/./x"),
        *("/run/agent//x", "/run/agent/a/", "/etc/passwd", "../../etc/passwd"),
        "/run/agent/" + "x/" * 3000 + "x",
    ],
)
def test_put_stays_in_its_folder(shared_agent: AgentProcess, path: str) -> None:
    said = shared_agent.refusal("put", path=path, data="")

    assert "must be below /run/agent/" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write to /run/agent")
def test_put_writes_a_file(agent: AgentProcess) -> None:
    existed = Path("/run/agent").exists()
    folder = Path("/run/agent") / f"test-{uuid.uuid4()}"
    path = folder / "deep/file..name"
    try:
        assert agent.ask("put", path=str(path), data=encoded(b"old"))["ok"]
        assert agent.ask("put", path=str(path), data=encoded(b"\0new"), mode=0o755)[
            "ok"
        ]

        assert path.read_bytes() == b"\0new"
        assert path.stat().st_mode & 0o7777 == 0o755
        assert [entry.name for entry in path.parent.iterdir()] == ["file..name"]
        reply = agent.ask("put", path=str(path.parent), data="")
        assert reply["error"]["errno"] == "EISDIR"
    finally:
        path.unlink(missing_ok=True)
        for made in (path.parent, folder, *([] if existed else [folder.parent])):
            if made.exists():
                made.rmdir()


# ----------------------------------------------------------------- objects

# Bytes that follow a BTF type's head, and those that each of its members takes.
BTF_TAILS = {1: 4, 3: 12, 14: 4, 17: 4}
BTF_MEMBERS = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
BTF_VAR = 14


def with_wild_types(data: bytes) -> bytes:
    """Give every variable in an object's BTF a type that is not there."""
    damaged = bytearray(data)
    section = ELFFile(io.BytesIO(data)).get_section_by_name(".BTF")
    assert section is not None
    start_of_btf = section["sh_offset"]
    header, types, length = struct.unpack_from("<4xIII", data, start_of_btf)
    at = start_of_btf + header + types
    end = at + length
    while at < end:
        info = struct.unpack_from("<I", data, at + 4)[0]
        kind, members = info >> 24 & 0x1F, info & 0xFFFF
        if kind == BTF_VAR:
            struct.pack_into("<I", damaged, at + 8, 0x7FFFFFFF)
        at += 12 + BTF_TAILS.get(kind, 0) + BTF_MEMBERS.get(kind, 0) * members
    return bytes(damaged)


def test_open_tells_what_an_object_has(agent: AgentProcess, counter: bytes) -> None:
    opened = agent.ask("open", name="counter", object=encoded(counter))

    assert opened["programs"] == [
        {"name": "count", "type": "socket_filter", "section": "socket", "load": True},
        {"name": "mark", "type": "sched_cls", "section": "tc", "load": True},
        {
            "name": "on_call",
            "type": "raw_tracepoint",
            "section": "raw_tp/sys_enter",
            "load": True,
        },
    ]
    assert opened["maps"][1] == {
        "name": "sizes",
        "type": "hash",
        "key_size": 4,
        "value_size": 16,
        "max_entries": 32,
    }
    assert "libbpf: loading object 'counter' from buffer\n" in opened["log"]


def test_an_object_may_be_a_file(
    agent: AgentProcess, counter: bytes, tmp_path: Path
) -> None:
    (tmp_path / "x.o").write_bytes(counter)

    assert agent.ask("open", name="x", path=str(tmp_path / "x.o"))["ok"]
    missing = agent.ask("open", name="x", path=str(tmp_path / "y.o"))
    assert missing["error"]["errno"] == "ENOENT"


def test_programs_are_left_out(agent: AgentProcess, counter: bytes) -> None:
    opened = agent.ask(
        "open", name="x", object=encoded(counter), programs={"mark": {"load": False}}
    )

    assert [row["load"] for row in opened["programs"]] == [True, False, True]


def test_a_program_that_is_not_there_is_named(
    agent: AgentProcess, counter: bytes
) -> None:
    def said(programs: object) -> str:
        return agent.refusal(
            "open", name="x", object=encoded(counter), programs=programs
        )

    assert said({"cuont": {"load": True}}) == (
        'the object has no program "cuont": did you mean count?'
    )
    assert "there are count, mark, on_call" in said({"elsewhere": {"load": True}})
    assert '"load" must be true or false; it is 1' in said({"mark": {"load": 1}})
    assert '"programs" must be objects of settings' in said({"mark": True})


SETTABLE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
const volatile int wanted = 1, other = 2;
int zero;
struct { __uint(type, BPF_MAP_TYPE_STACK_TRACE); __uint(key_size, 4); } stacks
	SEC(".maps");
SEC("fentry/dummy") int traced(void *context) { return wanted + other + zero; }
char _license[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def settable(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_bpf(SETTABLE, tmp_path_factory.mktemp("settable"))


def test_sizes_of_maps_are_set_before_they_load(
    agent: AgentProcess, settable: bytes
) -> None:
    sizes = {"max_entries": 64, "value_size": 1016}

    opened = agent.ask(
        "open", name="x", object=encoded(settable), maps={"stacks": sizes}
    )

    (stacks,) = [row for row in opened["maps"] if row["name"] == "stacks"]
    assert {key: stacks[key] for key in sizes} == sizes


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"maps": {"stakcs": {}}}, 'no map "stakcs": did you mean stacks?'),
        ({"maps": {"stacks": 1}}, 'argument "maps" must be objects of settings'),
        ({"maps": {"stacks": {"max_entries": 0}}}, 'argument "max_entries"'),
        ({"maps": {"stacks": {"create": 1}}}, '"create" must be true or false'),
        ({"variables": {"unwanted": "AAAAAA=="}}, 'no variable "unwanted"'),
        ({"variables": {"wanted": "AAA="}}, "wanted has 4 bytes, not 2"),
        ({"variables": {"wanted": 1}}, 'argument "wanted" must be base64'),
        (
            {"programs": {"traced": {"target": "fexit/vfs_read"}}},
            "traced has the section fentry/dummy and can't be set to fexit/vfs_read",
        ),
        ({"programs": {"traced": {"target": "fentry"}}}, "can't be set to fentry"),
    ],
)
def test_what_can_not_be_set_is_told(
    agent: AgentProcess, settable: bytes, settings: dict[str, object], said: str
) -> None:
    told = agent.refusal("open", name="x", object=encoded(settable), **settings)

    assert said in told


def test_places_of_other_kinds_are_there(agent: AgentProcess) -> None:
    places = ["xdp", "socket", "tc/ingress", "?xdp.frags", "tp/no_such/tracepoint"]

    assert agent.ask("there", places=places)["there"] == [True] * 4 + [False]


def test_functions_of_this_machine_are_told_or_why_not(agent: AgentProcess) -> None:
    reply = agent.ask("functions")

    # Few build machines let tests read tracefs.
    if "error" in reply:
        assert "available_filter_functions" in reply["error"]["message"]
    else:
        assert all(it[0] in "+-" for it in reply["functions"].splitlines())


@pytest.mark.parametrize(
    ("name", "section", "values"),
    [
        ("wanted", ".rodata", (7, 2)),
        ("other", ".rodata", (1, 7)),
        ("zero", ".bss", (7,)),
    ],
)
def test_variables_are_set_before_they_load(
    name: str,
    section: str,
    values: tuple[int, ...],
    agent: AgentProcess,
    settable: bytes,
) -> None:
    opened = agent.ask(
        "open",
        name="x",
        object=encoded(settable),
        variables={name: "BwAAAA=="},
        programs={"traced": {"load": False}},
        maps={"stacks": {"create": False}},
    )
    assert opened["ok"], opened

    (row,) = loaded_rows(agent, opened["handle"], section)
    assert struct.unpack(f"<{len(values)}i", row) == values


def loaded_rows(agent: AgentProcess, handle: int, name: str) -> list[bytes]:
    """Load an object and return the values in one of its maps."""
    reply = agent.ask("load", handle=handle)
    if not reply["ok"] and reply["error"]["errno"] in ("EPERM", "EACCES"):
        pytest.skip("no right to load BPF here; the vm tests do it in guests")
    assert reply["ok"], reply
    rows = agent.ask("dump", handle=handle, map=name)["rows"]
    return [base64.b64decode(row["value"]) for row in rows]


@pytest.mark.parametrize(
    "data", [b"", b"\x7fEL", b"#!/bin/sh\n", bytes(4096), b"!<arch>\n"]
)
def test_what_is_no_elf_is_refused(agent: AgentProcess, data: bytes) -> None:
    said = agent.refusal("open", name="x", object=encoded(data))

    assert said == f"the object is not an ELF file ({len(data)} bytes)"


def test_a_truncated_object_is_refused(agent: AgentProcess, counter: bytes) -> None:
    step = len(counter) // 60
    for size in [*range(4, 70), *range(70, len(counter), step), len(counter) - 1]:
        reply = agent.ask("open", name="x", object=encoded(counter[:size]))

        assert reply["ok"] is False, size
        assert "object" in reply["error"]["message"]


def test_another_machines_program_is_refused(agent: AgentProcess) -> None:
    reply = agent.ask("open", name="x", path="/bin/true")

    assert reply["error"]["errno"] == "LIBBPF_ERRNO__FORMAT"
    assert "is not a valid eBPF object file" in reply["log"]


def test_an_object_without_btf_is_refused(agent: AgentProcess, tmp_path: Path) -> None:
    source = """
    __attribute__((section("socket"), used)) int nothing(void *ctx) { return 0; }
    char _license[] __attribute__((section("license"), used)) = "GPL";
    """
    plain = compile_bpf(source, tmp_path, debug=False)

    assert agent.refusal("open", name="x", object=encoded(plain)) == (
        "the object has no BTF; compile it with clang -g"
    )


def test_damaged_objects_do_not_harm_the_agent(
    agent: AgentProcess, counter: bytes
) -> None:
    # libbpf 1.1.2 itself reads wild memory for some, as in skip_mods_and_typedefs().
    # The agent tries each in a process of its own first, and says which it dies of.
    chance = random.Random(1)
    for _ in range(300):
        damaged = bytearray(counter)
        for _ in range(chance.choice([1, 2, 8, 32])):
            damaged[chance.randrange(64, len(damaged))] = chance.choice([0, 255, 1])
        reply = agent.ask("open", name="x", object=encoded(bytes(damaged)))
        if reply["ok"]:
            assert agent.ask("close", handle=reply["handle"])["ok"]


def test_an_object_that_libbpf_dies_of_is_refused(
    agent: AgentProcess, counter: bytes
) -> None:
    said = agent.refusal("open", name="x", object=encoded(with_wild_types(counter)))

    assert said.startswith("the object is broken: libbpf ")
    assert agent.ask("hello")["ok"]


def test_what_needs_a_loaded_object_says_so(
    agent: AgentProcess, counter: bytes
) -> None:
    handle = agent.ask("open", name="x", object=encoded(counter))["handle"]

    ran = agent.refusal("test_run", handle=handle, program="count", data="")
    assert ran == "program count is not loaded"
    assert "map sizes does not exist" in agent.refusal(
        "dump", handle=handle, map="sizes"
    )
    assert agent.ask("attach", handle=handle, program="on_call")["ok"] is False
    assert agent.ask("detach", handle=handle)["ok"]
    assert agent.ask("close", handle=handle)["ok"]
    assert "an open object" in agent.refusal("close", handle=handle)


# -------------------------------------------------------------- the kernel


@pytest.fixture
def loaded(agent: AgentProcess, counter: bytes) -> dict[str, Any]:
    """COUNTER in this machine's kernel, with its handle."""
    handle = agent.ask("open", name="counter", object=encoded(counter))["handle"]
    reply = agent.ask("load", handle=handle)
    if reply["ok"]:
        return {**reply, "handle": handle}
    if reply["error"]["errno"] in ("EPERM", "EACCES"):
        pytest.skip("no right to load BPF here; the vm tests do it in guests")
    raise AssertionError(reply)


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def test_loading_tells_ids(loaded: dict[str, Any]) -> None:
    assert [row["name"] for row in loaded["programs"]] == ["count", "mark", "on_call"]
    assert all(row["id"] > 0 for row in loaded["programs"] + loaded["maps"])
    assert all(row["instructions"] > 1 for row in loaded["programs"])
    assert "map 'sizes': created successfully" in loaded["log"]


def test_instructions_are_those_that_were_loaded(
    agent: AgentProcess, loaded: dict[str, Any]
) -> None:
    counts = {row["name"]: row["instructions"] for row in loaded["programs"]}

    reply = agent.ask("instructions", handle=loaded["handle"], program="mark")

    assert len(decoded(reply["instructions"])) == 8 * counts["mark"]


def test_a_program_that_is_not_loaded_has_no_instructions(
    agent: AgentProcess, counter: bytes
) -> None:
    handle = agent.ask("open", name="x", object=encoded(counter))["handle"]

    said = agent.refusal("instructions", handle=handle, program="mark")

    assert said == "program mark is not loaded"


def test_an_object_loads_once(agent: AgentProcess, loaded: dict[str, Any]) -> None:
    assert "twice" in agent.ask("load", handle=loaded["handle"])["log"]


def test_programs_that_are_left_out_are_not_loaded(
    agent: AgentProcess, loaded: dict[str, Any], counter: bytes
) -> None:
    handle = agent.ask(
        "open", name="x", object=encoded(counter), programs={"mark": {"load": False}}
    )["handle"]

    programs = agent.ask("load", handle=handle)["programs"]

    assert [row["name"] for row in programs] == ["count", "on_call"]


def test_a_run_gives_what_the_program_returned(
    agent: AgentProcess, loaded: dict[str, Any]
) -> None:
    packet = bytes(range(60))
    ran = agent.ask(
        "test_run", handle=loaded["handle"], program="count", data=encoded(packet)
    )

    assert ran["retval"] == 7
    # The kernel gives a socket filter's packet an empty Ethernet header.
    assert decoded(ran["data_out"]) == bytes(14) + packet[14:]
    assert ran["ctx_out"] == ""
    assert ran["duration_ns"] >= 0


def test_a_run_takes_and_gives_the_context(
    agent: AgentProcess, loaded: dict[str, Any]
) -> None:
    # __sk_buff begins with len, pkt_type, mark.
    skb = struct.pack("<III", 0, 0, 41) + bytes(180)
    ran = agent.ask(
        "test_run",
        handle=loaded["handle"],
        program="mark",
        data=encoded(bytes(60)),
        ctx=encoded(skb),
    )

    assert ran["retval"] == 3
    assert struct.unpack_from("<III", decoded(ran["ctx_out"]))[2] == 42


def test_a_packet_that_the_kernel_refuses_is_an_error(
    agent: AgentProcess, loaded: dict[str, Any]
) -> None:
    reply = agent.ask("test_run", handle=loaded["handle"], program="count", data="")

    assert reply["error"]["errno"] == "EINVAL"


def test_maps_are_dumped(agent: AgentProcess, loaded: dict[str, Any]) -> None:
    handle = loaded["handle"]
    for size in (60, 70, 70):
        data = encoded(bytes(size))
        assert agent.ask("test_run", handle=handle, program="count", data=data)["ok"]

    rows = agent.ask("dump", handle=handle, map="sizes")["rows"]
    sizes = {
        struct.unpack("<I", decoded(row["key"])): struct.unpack(
            "<Q4s4x", decoded(row["value"])
        )
        for row in rows
    }
    # A socket filter does not count the Ethernet header.
    assert sizes == {(46,): (1, b"abc\0"), (56,): (2, b"abc\0")}

    first, second = agent.ask("dump", handle=handle, map="hits")["rows"]
    assert decoded(first["key"]) == bytes(4)
    values = [struct.unpack("<I", decoded(value))[0] for value in first["values"]]
    assert len(values) == agent.ask("hello")["cpus"]
    assert sum(values) == 3
    assert {decoded(value) for value in second["values"]} == {bytes(4)}


def test_compat_loads_what_plain_libbpf_loads(
    agent: AgentProcess, counter: bytes
) -> None:
    opened = agent.ask("open", name="c", object=encoded(counter), loader="compat")
    handle = opened["handle"]
    loaded = agent.ask("load", handle=handle)
    told = [line for line in loaded["log"].splitlines() if "compat: prog" in line]

    assert loaded["ok"]
    assert [line.split("'")[1] for line in told] == ["count", "mark", "on_call"]
    run = agent.ask("test_run", handle=handle, program="count", data=encoded(bytes(60)))
    assert run["retval"] == 7


def test_plain_libbpf_is_left_alone(agent: AgentProcess, counter: bytes) -> None:
    opened = agent.ask("open", name="c", object=encoded(counter), loader="libbpf")

    assert "compat: " not in agent.ask("load", handle=opened["handle"])["log"]


GUARDED = """
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int pid; int gone; } __attribute__((preserve_access_index));

SEC("raw_tp/sys_enter")
int guarded(void *ctx)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    int value = 0;

    if (bpf_core_field_exists(task->gone))
        bpf_core_read(&value, sizeof(value), &task->gone);
    return value;
}

char _license[] SEC("license") = "GPL";
"""


def lacks_kernel_btf() -> bool:
    return not Path("/sys/kernel/btf/vmlinux").exists()


@pytest.mark.skipif(lacks_kernel_btf(), reason="this kernel has no BTF")
def test_unreached_poison_is_taken_out(agent: AgentProcess, tmp_path: Path) -> None:
    data = compile_bpf(GUARDED, tmp_path)
    opened = agent.ask("open", name="g", object=encoded(data), loader="compat")
    log = agent.ask("load", handle=opened["handle"])["log"]

    assert "compat: prog 'guarded': " in log
    assert " 0 unreached" not in log


@pytest.mark.skipif(lacks_kernel_btf(), reason="this kernel has no BTF")
@pytest.mark.parametrize("loader", ["libbpf", "compat"])
def test_poison_that_is_reached_is_refused(
    agent: AgentProcess, tmp_path: Path, loader: str
) -> None:
    data = compile_bpf(GUARDED.replace("if (bpf", "if (!bpf"), tmp_path)
    opened = agent.ask("open", name="g", object=encoded(data), loader=loader)
    reply = agent.ask("load", handle=opened["handle"])

    assert not reply["ok"]
    assert "<invalid CO-RE relocation>" in reply["log"]
    assert "is ever reached" not in reply["log"]


def test_an_unknown_loader_is_refused(agent: AgentProcess, counter: bytes) -> None:
    assert agent.refusal("open", name="c", object=encoded(counter), loader="bcc") == (
        'argument "loader" must be "libbpf" or "compat"; it is "bcc"'
    )


def test_a_child_tells_its_time_and_its_thread_pointer(agent: AgentProcess) -> None:
    child = agent.ask("fork", comm="burner", spin=0.2)

    assert child["user_ns"] > 20_000_000
    assert child["thread_pointer"] > 1 << 32
    assert "seconds from 0 to 5" in agent.refusal("fork", spin=6)


def test_a_map_that_can_not_be_dumped_is_an_error(
    agent: AgentProcess, loaded: dict[str, Any]
) -> None:
    handle = loaded["handle"]

    assert 'no map "size": did you mean sizes?' in agent.refusal(
        "dump", handle=handle, map="size"
    )
    assert agent.refusal("dump", handle=handle, map="queue") == (
        "map queue has no keys: it is of type queue"
    )


def calls_made(agent: AgentProcess, handle: int) -> int:
    rows = agent.ask("dump", handle=handle, map="calls")["rows"]
    made: dict[int, int] = {
        struct.unpack("<I", decoded(row["key"]))[0]: struct.unpack(
            "<Q", decoded(row["value"])
        )[0]
        for row in rows
    }
    return made.get(agent.process.pid, 0)


def test_an_attached_program_runs_until_it_is_detached(
    agent: AgentProcess, loaded: dict[str, Any]
) -> None:
    handle = loaded["handle"]
    assert calls_made(agent, handle) == 0

    assert agent.ask("attach", handle=handle, program="on_call")["attached"] is True
    again = agent.ask("attach", handle=handle, program="on_call")
    assert again["error"]["errno"] == "EALREADY"
    # A child holds no link's descriptor, so that detaching is enough.
    agent.ask("fork")
    agent.ask("syscall", name="getppid", times=1000)
    assert calls_made(agent, handle) >= 1000

    assert agent.ask("detach", handle=handle, program="on_call")["ok"]
    before = calls_made(agent, handle)
    agent.ask("syscall", name="getppid", times=1000)
    assert calls_made(agent, handle) == before
    assert agent.ask("attach", handle=handle, program="on_call")["attached"] is True


def test_what_has_no_place_to_be_attached_is_not(
    agent: AgentProcess, loaded: dict[str, Any]
) -> None:
    for program in ("count", "mark"):
        reply = agent.ask("attach", handle=loaded["handle"], program=program)
        assert (reply["ok"], reply["attached"]) == (True, False)
    said = agent.refusal("attach", handle=loaded["handle"], program="cuont")
    assert "did you mean count?" in said


def test_closing_unloads(agent: AgentProcess, loaded: dict[str, Any]) -> None:
    descriptors = Path(f"/proc/{agent.process.pid}/fd")
    before = len(os.listdir(descriptors))
    agent.ask("attach", handle=loaded["handle"], program="on_call")

    assert agent.ask("close", handle=loaded["handle"])["ok"]

    # Three programs and four maps at least.
    assert len(os.listdir(descriptors)) <= before - 7
    assert "an open object" in agent.refusal(
        "dump", handle=loaded["handle"], map="sizes"
    )


def test_a_rejection_comes_with_the_verifiers_log(
    agent: AgentProcess, loaded: dict[str, Any], tmp_path: Path
) -> None:
    rejected = compile_bpf(REJECTED, tmp_path)
    handle = agent.ask("open", name="x", object=encoded(rejected))["handle"]

    reply = agent.ask("load", handle=handle)

    assert reply["ok"] is False
    assert reply["error"]["errno"] == "EACCES"
    assert "-- BEGIN PROG LOAD LOG --\n" in reply["log"]
    assert "R7 !read_ok" in reply["log"]
    assert "-- END PROG LOAD LOG --\n" in reply["log"]


def test_a_log_of_megabytes_is_whole(
    agent: AgentProcess, loaded: dict[str, Any], tmp_path: Path
) -> None:
    long = compile_bpf(LONG, tmp_path)
    handle = agent.ask("open", name="x", object=encoded(long))["handle"]

    reply = agent.ask("load", handle=handle, log_level=2)

    assert reply["ok"], reply["log"][-2000:]
    assert len(reply["log"]) > 1 << 20
    begin, end = "-- BEGIN PROG LOAD LOG --\n", "-- END PROG LOAD LOG --\n"
    verifier = reply["log"].partition(begin)[2].partition(end)[0]
    assert verifier.startswith("0: R1=ctx") or "0: (" in verifier[:2000]
    assert "processed " in verifier[-500:]
