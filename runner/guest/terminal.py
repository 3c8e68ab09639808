"""This terminal, or this program's standard streams, joined to a guest's shell."""

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from runner.guest.ssh import Ssh
from runner.guest.sshlibrary import paramiko

_PIECE = 1 << 16


def attend(connection: Ssh, command: str) -> int | None:
    """Run a command, or a login shell when it is empty, and return its exit status.

    With a terminal at both ends it gets one of its own. None when the guest is gone.
    """
    channel = connection.open_channel()
    with contextlib.closing(channel):
        interactive = not command and sys.stdin.isatty() and sys.stdout.isatty()
        with _terminal(channel) if interactive else contextlib.nullcontext():
            if command:
                channel.exec_command(command)
            else:
                channel.invoke_shell() if interactive else channel.exec_command("sh")
            _feed(channel)
            _print(channel)
        return _status(channel)


def _status(channel: paramiko.Channel) -> int | None:
    status = channel.recv_exit_status()
    return status if status >= 0 else None


def _feed(channel: paramiko.Channel) -> None:
    """Hand on what is typed, in a thread that nothing waits for."""

    def run() -> None:
        # The channel closes when the command ends.
        with contextlib.suppress(OSError):
            while data := os.read(sys.stdin.fileno(), _PIECE):
                channel.sendall(data)
            channel.shutdown_write()

    threading.Thread(target=run, daemon=True, name="stdin").start()


def _print(channel: paramiko.Channel) -> None:
    """Print what comes until there is no more; errors where errors go."""
    streams = (
        (channel.recv_ready, channel.recv, sys.stdout.buffer),
        (channel.recv_stderr_ready, channel.recv_stderr, sys.stderr.buffer),
    )
    while True:
        # Asked first, so that what came before the end is still printed.
        over = channel.exit_status_ready() or channel.closed
        idle = True
        for ready, receive, stream in streams:
            while ready():
                idle = False
                stream.write(receive(_PIECE))
            stream.flush()
        if over and idle and (channel.eof_received or channel.closed):
            return
        if idle:
            select.select([channel], [], [], 0.05)


@contextmanager
def _terminal(channel: paramiko.Channel) -> Iterator[None]:
    """Give the channel a terminal like this one, which hands on every key."""
    columns, rows = os.get_terminal_size()
    channel.get_pty(os.environ.get("TERM", "vt100"), columns, rows)

    def resize(_: int, __: FrameType | None) -> None:
        with contextlib.suppress(OSError, paramiko.SSHException):
            columns, rows = os.get_terminal_size()
            channel.resize_pty(columns, rows)

    before = termios.tcgetattr(sys.stdin)
    former = signal.signal(signal.SIGWINCH, resize)
    try:
        # What was typed already is not thrown away.
        tty.setraw(sys.stdin, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, former)
