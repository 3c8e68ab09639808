"""What a user's terminal shows: each verb in a pseudoterminal of some width."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from runner.files.shipped import ROOT

RECORDED = str(ROOT / "tests/data/results/failures.json")
_SEQUENCES = re.compile(r"\x1b\[[\d;?]*[A-Za-z]|\x1b\]8;[^\x1b]*\x1b\\")
_OWN = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "CI", "TMUX")


def on_terminal(columns: int, *words: str, **variables: str) -> str:
    """Return what a verb writes to a terminal that is so wide."""
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {it: os.environ[it] for it in os.environ if it not in _OWN}
    environment |= {"TERM": "xterm-256color", "FORCE_HYPERLINK": "0", **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "runner", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=environment,
    ):
        os.close(theirs)
        written = b""
        try:
            while part := os.read(mine, 65536):
                written += part
        # How Linux says that nobody has the other end open.
        except OSError:
            pass
    os.close(mine)
    return written.decode().replace("\r\n", "\n")


def lines(text: str) -> list[str]:
    return _SEQUENCES.sub("", text).splitlines()


VERBS = [
    ["explain", "--reports", RECORDED],
    ["explain", "renamed::state@6.1", "--reports", RECORDED],
    ["explain", "poison_reachable", "--reports", RECORDED],
    ["kernels"],
    ["plan", "--kernels", "all", "--suite", "suites/task"],
]


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("words", VERBS, ids=lambda it: " ".join(it)[:30])
def test_nothing_is_wider_than_the_terminal(words: list[str], columns: int) -> None:
    shown = lines(on_terminal(columns, *words))
    # A word that is copied, such as a path, is never broken.
    wide = [it for it in shown if len(it) > columns and len(it.split()) > 1]
    assert shown
    assert not wide


def test_colours_are_there_unless_they_are_not_wanted(tmp_path: Path) -> None:
    words = ("explain", "renamed::state@6.1", "--reports", RECORDED)
    red = "\x1b[1;31m✗ \x1b[0m"

    assert on_terminal(80, *words).startswith(red)
    # Bold is no colour.
    assert "31m" not in on_terminal(80, *words, NO_COLOR="1")
    assert "\x1b" not in on_terminal(80, *words, TERM="dumb")


def test_files_are_links_where_the_terminal_has_them() -> None:
    words = ("explain", "renamed::state@6.1", "--reports", RECORDED)
    link = f"\x1b]8;id=[^;]*;{re.escape(Path(RECORDED).as_uri())}\x1b"

    assert re.search(link, on_terminal(80, *words, FORCE_HYPERLINK="1"))
    assert "\x1b]8;" not in on_terminal(80, *words)
