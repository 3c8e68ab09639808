"""The verb `shell`: a guest to look around in."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from tests.vm.conftest import ROOT, command

pytestmark = pytest.mark.vm

# Seconds.
TIMEOUT = 120


def shell(*words: str | Path, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command("shell", *words),
        cwd=ROOT,
        input=typed,
        capture_output=True,
        timeout=TIMEOUT,
    )


def read(terminal: int) -> bytes:
    """Return what was printed; nothing once nobody has the other end."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def test_a_command_ends_with_its_own_status() -> None:
    done = shell("6.1", "uname -r; echo words >&2; exit 7")

    assert done.stdout.startswith(b"6.1.0-")
    assert done.stderr.endswith(b"words\n")
    assert done.returncode == 7


def test_several_words_are_what_they_are() -> None:
    assert shell("6.1", "echo", "a  b", "$HOME").stdout == b"a  b $HOME\n"


def test_lines_can_be_piped_in() -> None:
    done = shell("6.1", typed=b"echo $((6 * 7))\nexit 3\n")

    assert done.stdout == b"42\n"
    assert done.returncode == 3


def test_what_is_piped_in_comes_out_whole() -> None:
    data = os.urandom(300_000)

    assert shell("6.1", "cat", typed=data).stdout == data


def test_files_are_copied(tmp_path: Path) -> None:
    (tmp_path / "note").write_bytes(b"\x00\xff")

    done = shell("--put", tmp_path / "note", "6.1", "cat /run/agent/note")

    assert done.stdout == b"\x00\xff"


def test_options_may_stand_behind_the_kernel(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho it runs\n")
    program.chmod(0o755)

    done = shell("6.1", "--put", program, "/run/agent/program")

    assert done.stdout == b"it runs\n", done.stderr
    assert done.returncode == 0


def test_a_panic_is_told() -> None:
    done = shell("6.1", "echo c > /proc/sysrq-trigger")

    assert done.returncode == 3
    assert b"panic while running echo c" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_terminal_is_handed_on() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    with subprocess.Popen(
        ["timeout", str(TIMEOUT), *command("shell", "6.1")],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as running:
        os.close(theirs)
        os.write(ours, b"stty size; tty; exit 4\n")
        printed = b"".join(iter(lambda: read(ours), b""))
        assert running.wait(TIMEOUT) == 4
    os.close(ours)

    assert b"33 77" in printed
    assert b"/dev/pts/" in printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["9.9"], b"there is no kernel '9.9'"),
        (["5.10,6.1"], b"selects 2 kernels"),
        (["--put", "no/such", "6.1"], b"--put no/such: No such file"),
        (["6.1", "--put", "no/such"], b"--put no/such: No such file"),
        (["6.1", "--puts", "no/such"], b"unrecognized arguments: --puts"),
        (["6.1", "--put"], b"argument --put: expected one argument"),
        ([], b"arguments are required: KERNEL\n"),
    ],
)
def test_wrong_usage_is_told(words: list[str], told: bytes) -> None:
    done = shell(*words)

    assert done.returncode == 2
    assert told in done.stderr
