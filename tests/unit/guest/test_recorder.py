"""The agent's recorder, with real programs on the kernel of this machine."""

import ctypes
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runner.guest.agent import AgentSession
from runner.guest.loads import AttachSeen, MapSeen, ProgramSeen, Seen, SomethingMissed
from runner.guest.replies import CommandEnd
from tests.unit.guest import agent_process

PROGRAMS = Path(__file__).resolve().parents[2] / "data/programs/recorded"
PTRACE_TRACEME, EPERM = 0, 1


def _can_trace() -> str:
    """Return why nobody can be traced here; nothing if somebody can."""
    if os.geteuid() != 0:
        return "only root can install a filter without PR_SET_NO_NEW_PRIVS"
    libc = ctypes.CDLL(None, use_errno=True)
    # BPF_MAP_CREATE of a type that is none: EINVAL where bpf(2) is allowed.
    libc.syscall(321, 0, ctypes.create_string_buffer(b"\xff" * 16, 16), 16)
    return "bpf(2) is refused here" if ctypes.get_errno() == EPERM else ""


pytestmark = pytest.mark.skipif(bool(_can_trace()), reason=_can_trace())


@dataclass(kw_only=True)
class Recorded:
    """What a command did while it was recorded."""

    end: CommandEnd
    stdout: str
    seen: list[Seen] = field(default_factory=list)

    @property
    def programs(self) -> list[ProgramSeen]:
        return [it for it in self.seen if isinstance(it, ProgramSeen)]

    @property
    def maps(self) -> list[MapSeen]:
        return [it for it in self.seen if isinstance(it, MapSeen)]

    @property
    def places(self) -> list[str]:
        return [it.place for it in self.seen if isinstance(it, AttachSeen)]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Everybody may reach it, unlike pytest's own.
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        for source in PROGRAMS.glob("*.c"):
            words = ["gcc", "-Wall", "-o", made / source.stem, source, "-lpthread"]
            subprocess.run([*map(str, words)], check=True, capture_output=True)
        yield made


@pytest.fixture(scope="module", params=["filter", "no filter"])
def session(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, request: Any
) -> Iterator[AgentSession]:
    """An agent on this kernel, and on one without seccomp's filters."""
    binary = agent_process.build()
    errors = tmp_path_factory.mktemp("agent") / "errors"
    prefix = [] if request.param == "filter" else [folder / "unfiltered"]
    with agent_process.start(binary, errors, prefix) as process:
        yield AgentSession(process.channel)
        assert process.end() == 0
    assert "ERROR: AddressSanitizer" not in errors.read_text()


def run(session: AgentSession, *argv: str | Path, **more: Any) -> Recorded:
    seen: list[Seen] = []
    shown = bytearray()
    end = session.stream(
        [*map(str, argv)],
        show=lambda stream, data: shown.extend(data),
        record=seen.append,
        **{"timeout": 20, **more},
    )
    return Recorded(end=end, stdout=shown.decode(), seen=seen)


def test_what_lives_for_an_instant_is_seen(session: AgentSession, folder: Path) -> None:
    done = run(session, folder / "loads", "map", "program")

    assert done.end.exit == 0
    (map_,), (program,) = done.maps, done.programs
    assert (map_.name, map_.type, map_.key_size, map_.value_size) == (
        *("instant", "hash"),
        *(4, 8),
    )
    assert (program.name, program.type, program.instructions) == (
        *("on_packet", "socket_filter"),
        2,
    )
    assert (program.process, program.pid) == ("loads", done.end.pid)
    assert len(program.tag) == 16
    assert not map_.error
    assert not program.error


def test_what_the_kernel_refuses_is_seen_with_its_error(
    session: AgentSession, folder: Path
) -> None:
    done = run(session, folder / "loads", "refused")

    assert [(it.name, it.error, it.tag) for it in done.programs] == [
        ("refused", "EINVAL", "")
    ]


def test_a_socket_is_a_place(session: AgentSession, folder: Path) -> None:
    done = run(session, folder / "loads", "map", "program", "socket")

    (attached,) = [it for it in done.seen if isinstance(it, AttachSeen)]
    assert (attached.program, attached.place, attached.error) == (0, "socket", "")


def test_children_and_threads_are_seen(session: AgentSession, folder: Path) -> None:
    done = run(session, folder / "loads", "threads", "fork", "program")

    assert done.end.exit == 0
    assert sorted(it.name for it in done.maps) == [f"thread{i}" for i in range(8)]
    child, own = done.programs
    assert child.pid != own.pid == done.end.pid


def test_a_shell_and_all_that_it_starts_is_seen(
    session: AgentSession, folder: Path
) -> None:
    script = f"{folder}/loads map; (setsid {folder}/loads program); exit 4"

    done = run(session, "sh", "-c", script)

    assert done.end.exit == 4
    assert [it.name for it in done.maps] == ["instant"]
    assert [it.name for it in done.programs] == ["on_packet"]


@pytest.mark.parametrize(
    ("script", "exit_", "signal"),
    [
        ("exit 7", 7, None),
        ("kill -SEGV $$", None, "SIGSEGV"),
        ("trap 'exit 9' USR1; kill -USR1 $$", 9, None),
        ("sleep 5 & kill -STOP $!; kill -CONT $!; kill $!; wait $!", 143, None),
    ],
)
def test_ends_and_signals_stay_as_they_are(
    script: str, exit_: int | None, signal: str | None, session: AgentSession
) -> None:
    done = run(session, "sh", "-c", script)

    assert (done.end.exit, done.end.signal) == (exit_, signal)
    assert done.seen == []


def test_a_command_that_hangs_is_still_killed(session: AgentSession) -> None:
    seen: list[Seen] = []

    end = session.stream(
        ["sleep", "60"], show=lambda *_: None, record=seen.append, timeout=0.3
    )

    assert end.timed_out
    assert end.signal == "SIGKILL"


def test_the_recorder_is_not_among_what_is_left(session: AgentSession) -> None:
    wait = "until grep -q sleep /proc/$!/comm; do :; done"

    done = run(session, "sh", "-c", f"sleep 60 & {wait}")

    assert [it.name for it in done.end.left] == ["sleep"]
    session.release(timeout=20)
    assert run(session, "true").end.left == ()


def test_a_map_stays_until_it_is_released(session: AgentSession, folder: Path) -> None:
    def count() -> int:
        """How many of our maps the kernel has, by their descriptors in processes."""
        found = subprocess.run(
            ["bpftool", "-j", "map", "show"], capture_output=True, check=True
        )
        return sum(it.get("name") == "instant" for it in json.loads(found.stdout))

    before = count()

    # Of two with one name, the last stays.
    done = run(session, folder / "loads", "map", "map", hold=["instant", "other"])

    assert [it.name for it in done.maps] == ["instant", "instant"]
    assert done.end.left == ()
    assert count() == before + 1
    session.release(timeout=20)
    assert count() == before


def test_setuid_programs_keep_their_rights(session: AgentSession, folder: Path) -> None:
    program = folder / "id"
    shutil.copy(shutil.which("id") or "", program)
    program.chmod(0o4755)

    done = run(session, program, user=(65534, 65534))

    assert "euid=0(root)" in done.stdout
    assert "NoNewPrivs:\t0" in run(session, "cat", "/proc/self/status").stdout


def test_a_user_without_rights_is_recorded(session: AgentSession, folder: Path) -> None:
    done = run(session, folder / "loads", "map", user=(65534, 65534))

    assert done.end.exit == 1
    assert [it.error for it in done.maps] == ["EPERM"]


def test_a_program_that_traces_others_can_still(
    session: AgentSession, folder: Path
) -> None:
    done = run(session, folder / "traces")

    assert done.stdout == "traced\nattached\nstopped\ncontinued\n"
    assert done.end.exit == 0
    assert {it.why for it in done.seen if isinstance(it, SomethingMissed)} == {"traced"}


def test_without_a_recorder_nobody_is_traced(session: AgentSession) -> None:
    shown = bytearray()

    session.stream(
        ["cat", "/proc/self/status"], show=lambda _, it: shown.extend(it), timeout=20
    )

    assert b"TracerPid:\t0\n" in shown


def test_too_many_calls_are_cut_off(session: AgentSession, folder: Path) -> None:
    done = run(session, folder / "loads", "many", timeout=60)

    assert done.end.exit == 0
    assert len(done.seen) == 5000 + 1
    assert done.seen[-1] == SomethingMissed(call="missing", why="too_many", error="")


def test_one_command_after_the_other_has_its_own_numbers(
    session: AgentSession, folder: Path
) -> None:
    for _ in range(3):
        done = run(session, folder / "loads", "program", "socket")
        (attached,) = [it for it in done.seen if isinstance(it, AttachSeen)]
        assert attached.program == 0


def test_a_program_that_does_not_start_leaves_no_recorder(
    session: AgentSession,
) -> None:
    with pytest.raises(Exception, match="can't run /none"):
        run(session, "/none")

    assert run(session, "true").end.left == ()


@pytest.mark.parametrize("session", ["filter"], indirect=True)
def test_calls_that_load_nothing_do_not_stop(
    session: AgentSession, folder: Path
) -> None:
    """To stop in each of 300,000 calls would cost seconds."""
    done = run(session, folder / "loads", "busy")

    assert json.loads(done.stdout)["seconds"] < 2
