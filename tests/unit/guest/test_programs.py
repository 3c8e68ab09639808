"""Files that come in parts, and commands that are shown as they run, by the agent."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from runner.guest.agent import AgentSession
from runner.guest.agenterrors import AgentError
from runner.guest.commands import Commands, Place
from runner.guest.qemu.memory import GuestWindow
from runner.guest.replies import CommandEnd
from tests.unit.guest.agent_process import PATIENCE, AgentProcess, build, start


@pytest.fixture
def process(tmp_path: Path) -> Iterator[AgentProcess]:
    with start(build(), tmp_path / "errors") as started:
        yield started
        if started.process.poll() is None:
            assert started.end() == 0, (tmp_path / "errors").read_text()


@pytest.fixture
def session(process: AgentProcess) -> AgentSession:
    return AgentSession(process.channel)


def shown(session: AgentSession, *argv: str, **more: object) -> tuple[CommandEnd, str]:
    """Run a command, and return its end and what it printed."""
    pieces: list[tuple[str, bytes]] = []
    end = session.stream(
        argv,
        show=lambda stream, data: pieces.append((stream, data)),
        timeout=PATIENCE,
        **more,  # type: ignore[arg-type]
    )
    return end, b"".join(data for _, data in pieces).decode()


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (5 << 20) + 7])
def test_a_file_of_any_size_is_copied(
    size: int, session: AgentSession, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "new/folder/target"
    source.write_bytes(os.urandom(size))

    session.copy(source, str(target), mode=0o640, timeout=PATIENCE)

    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [it.name for it in target.parent.iterdir()] == ["target"]


def test_without_a_window_in_the_guest_the_channel_takes_it(
    process: AgentProcess, tmp_path: Path
) -> None:
    descriptor = os.memfd_create("window")
    os.ftruncate(descriptor, 4 << 20)
    session = AgentSession(
        process.channel, window=GuestWindow(descriptor=descriptor, size=4 << 20)
    )
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom((6 << 20) + 3))

    session.copy(source, str(target), timeout=PATIENCE)

    assert target.read_bytes() == source.read_bytes()
    os.close(descriptor)


def test_a_link_is_replaced_and_not_followed(
    session: AgentSession, tmp_path: Path
) -> None:
    other, source = tmp_path / "other", tmp_path / "source"
    other.write_text("other")
    source.write_text("source")
    (tmp_path / "link").symlink_to(other)

    session.copy(source, str(tmp_path / "link"), timeout=PATIENCE)

    assert other.read_text() == "other"
    assert (tmp_path / "link").read_text() == "source"


@pytest.mark.parametrize("path", ["a", "/a/../b", "/a//b", "/a/", "/./a", "/"])
def test_a_path_that_leads_elsewhere_is_refused(
    path: str, session: AgentSession, tmp_path: Path
) -> None:
    (tmp_path / "source").touch()

    with pytest.raises(AgentError, match="must begin with /"):
        session.copy(tmp_path / "source", path, timeout=PATIENCE)


def test_a_file_that_does_not_fit_leaves_nothing(
    session: AgentSession, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(bytes(10))

    with pytest.raises(AgentError) as caught:
        session.copy(tmp_path / "source", "/proc/no/such", timeout=PATIENCE)

    assert caught.value.operation == "append"


def test_a_command_is_shown_as_it_runs(session: AgentSession) -> None:
    end, printed = shown(session, "sh", "-c", "echo out; echo err >&2; exit 3")

    assert (end.exit, end.signal, end.left) == (3, None, ())
    assert sorted(printed.splitlines()) == ["err", "out"]


def test_long_output_is_whole(session: AgentSession) -> None:
    end, printed = shown(session, "head", "-c", "3000000", "/dev/zero")

    assert end.exit == 0
    assert printed == "\0" * 3_000_000


def test_a_command_has_its_input_folder_and_variables(
    session: AgentSession, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("hello")

    _, printed = shown(
        session,
        *("sh", "-c", "cat; echo; pwd; echo $MINE"),
        stdin=tmp_path / "in",
        folder=tmp_path,
        environment={"MINE": "x"},
    )

    assert printed.split() == ["hello", str(tmp_path), "x"]


def test_what_keeps_a_command_from_starting_is_told(
    session: AgentSession, tmp_path: Path
) -> None:
    none = tmp_path / "none"

    with pytest.raises(AgentError, match=f"can't enter the folder {none}: No such"):
        shown(session, "true", folder=none)
    with pytest.raises(AgentError, match=f"can't open {none}: No such"):
        shown(session, "true", stdin=none)
    with pytest.raises(AgentError, match=f"can't run {none}: No such"):
        shown(session, str(none))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_command_runs_as_another_user(session: AgentSession) -> None:
    _, printed = shown(
        session,
        *("sh", "-c", "id -u; id -g; id -G; grep CapEff /proc/self/status"),
        user=(65534, 50),
    )

    assert printed.split() == ["65534", "50", "50", "CapEff:", "0" * 16]


def test_what_a_command_leaves_running_is_told_and_ended(session: AgentSession) -> None:
    end, _ = shown(
        session, "sh", "-c", "sleep 300 & setsid sleep 301 & sleep 0.2", folder="/"
    )

    found = {it.daemon: it for it in end.left}
    assert [found[it].name for it in (False, True)] == ["sleep", "sleep"]
    session.release(timeout=PATIENCE)
    for it in end.left:
        assert not Path(f"/proc/{it.pid}").exists()


def test_a_command_that_hangs_is_killed(session: AgentSession) -> None:
    end = session.stream(["sleep", "300"], show=lambda *_: None, timeout=0.2)

    assert end.timed_out
    assert end.signal == "SIGKILL"


def test_after_a_viewer_that_fails_nothing_is_asked_any_more(
    session: AgentSession,
) -> None:
    def fail(stream: str, data: bytes) -> None:
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        session.stream(["echo", "x"], show=fail, timeout=PATIENCE)
    with pytest.raises(Exception, match="was interrupted during run"):
        session.hello(timeout=PATIENCE)


def test_a_record_has_the_ends_and_its_file_the_whole(tmp_path: Path) -> None:
    commands = Commands(Place.of(tmp_path, "6.1", "s.c"))
    recording = commands.record("command", ["tool"])

    for number in range(20_000):
        recording.write("stdout", b"%d\xff\n" % number)
    recording.write("stderr", b"err")
    record = recording.end(None)

    assert record.stdout.startswith("0\ufffd\n1\ufffd\n")
    assert record.stdout.endswith("19999\ufffd\n")
    assert f"{record.stdout_file} has all of it" in record.stdout
    assert len(record.stdout) < 40_000
    whole = (tmp_path / record.stdout_file).read_bytes()
    assert whole == b"".join(b"%d\xff\n" % it for it in range(20_000))
    assert (record.stderr, record.exit, record.truncated) == ("err", None, False)
    assert commands.since() == (record,)


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may chroot()")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root whose absolute links mean something else outside of it."""
    path = tmp_path / "root"
    (path / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", path / "bin/busybox")
    for name in ("sh", "cat", "pwd"):
        (path / "bin" / name).symlink_to("/bin/busybox")
    (path / "inside").mkdir()
    (path / "etc").symlink_to("/inside")
    return path


@AS_ROOT
def test_all_of_a_command_is_in_its_root(session: AgentSession, root: Path) -> None:
    (root / "inside/hello").write_text("hello")

    end, printed = shown(
        session,
        *("sh", "-c", "cat /etc/hello; pwd"),
        environment={"PATH": "/bin"},
        folder=PurePosixPath("/etc"),
        root=root,
    )

    assert end.exit == 0
    assert printed == "hello/inside\n"


@AS_ROOT
def test_files_are_copied_and_read_in_the_root(
    session: AgentSession, root: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_text("hello")

    session.copy(source, "/etc/new/file", root=PurePosixPath(root), timeout=PATIENCE)

    assert (root / "inside/new/file").read_text() == "hello"
    read = session.read("/etc/new/file", root=PurePosixPath(root), timeout=PATIENCE)
    assert read == "hello"
    # The agent is where it was.
    assert session.read(str(source), timeout=PATIENCE) == "hello"


@AS_ROOT
def test_the_agent_stays_in_its_root_after_an_error(
    session: AgentSession, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "source").write_text("hello")
    for there in (root, tmp_path / "none"):
        with pytest.raises(AgentError):
            session.read("/none", root=PurePosixPath(there), timeout=PATIENCE)
        with pytest.raises(AgentError):
            session.copy(
                tmp_path / "source",
                "/bin/busybox/x",
                root=PurePosixPath(there),
                timeout=PATIENCE,
            )

    assert session.read(str(tmp_path / "source"), timeout=PATIENCE) == "hello"


def test_a_root_that_is_not_there_is_told(
    session: AgentSession, tmp_path: Path
) -> None:
    with pytest.raises(AgentError, match=r"can't make .*/none the root"):
        shown(session, "true", root=tmp_path / "none")
