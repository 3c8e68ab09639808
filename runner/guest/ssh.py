"""SSH into a guest: one connection, with pinned keys, that carries the agent."""

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runner import timeouts
from runner.deadline import Deadline
from runner.errors import GuestError
from runner.guest.keys import GuestKeys
from runner.guest.qemu.vm import Vm
from runner.guest.sshlibrary import paramiko
from runner.timeouts import Pace

log = logging.getLogger(__name__)
# paramiko reports every refused attempt while a guest boots.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

_USER = "root"
_BETWEEN_TRIES = 0.01
_CHUNK = 1 << 20
# Seconds that a line may take once it has begun: a guest under TCG sends slowly.
_LONGEST_LINE = 120.0
# What images/rc prints last.
_NETWORK_IS_UP = "rc: network is up"


class SshChannel:
    """A command's standard input and output; see `runner.guest.agent.Channel`."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._received = bytearray()

    def send(self, data: bytes) -> None:
        """Send all of `data`. Raises OSError when the guest is gone."""
        self._channel.sendall(data)

    def close(self) -> None:
        """End the command's input; done twice, it does nothing."""
        self._channel.close()

    def receive_line(self, deadline: Deadline) -> bytes:
        """Return the next line without its end.

        A line that has begun by the deadline may take two minutes more. Raises EOFError
        when the other side closed, and TimeoutError.
        """
        searched = 0
        end_of_line = Deadline.after(deadline.remaining() + _LONGEST_LINE)
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            limit = end_of_line if self._received else deadline
            self._channel.settimeout(max(limit.remaining(), 0.001))
            chunk = self._channel.recv(_CHUNK)
            if not chunk:
                raise EOFError("the guest closed the channel")
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """An authenticated connection."""

    transport: paramiko.Transport
    pace: Pace

    def open_channel(self) -> paramiko.Channel:
        """Return a new channel, for one command or shell."""
        return self.transport.open_session(
            timeout=self.pace.seconds(timeouts.SSH_CHANNEL)
        )

    def start(self, command: str) -> SshChannel:
        """Start a command, a constant of this program, and return its channel."""
        channel = self.open_channel()
        channel.exec_command(command)
        return SshChannel(channel)

    def answers(self, command: str, deadline: Deadline) -> bool:
        """Whether a command prints a line by the deadline: then the guest lives."""
        try:
            return bool(self.start(command).receive_line(deadline))
        except (paramiko.SSHException, OSError, EOFError):
            return False

    def close(self) -> None:
        """Hang up; done twice, it does nothing."""
        self.transport.close()


def wait_for_server(vm: Vm, deadline: Deadline) -> None:
    """Wait until a booting guest's SSH server listens, or is to be tried anyway.

    Raises GuestError when the guest dies.
    """
    wanted = vm.pace.seconds(timeouts.NETWORK)
    patience = Deadline.after(min(wanted, deadline.remaining()))
    while _NETWORK_IS_UP not in vm.console() and not patience.expired:
        if not vm.running:
            raise vm.lost("booting")
        time.sleep(_BETWEEN_TRIES)


@contextmanager
def connect(vm: Vm, keys: GuestKeys, deadline: Deadline) -> Iterator[Ssh]:
    """Log in to a guest whose SSH server listens.

    Raises GuestError when the guest dies, when it does not answer until the deadline
    and when it shows another host key than the one it was given.
    """
    connection = _wait_for_banner(vm, deadline)
    transport = paramiko.Transport(connection)
    try:
        _log_in(vm, transport, keys, deadline)
        yield Ssh(transport=transport, pace=vm.pace)
    finally:
        transport.close()
        connection.close()


def _wait_for_banner(vm: Vm, deadline: Deadline) -> socket.socket:
    while True:
        if not vm.running:
            raise vm.lost("booting")
        if deadline.expired:
            raise vm.boot_timed_out("booting", deadline)
        connection = _try_banner(vm.port, vm.pace)
        if connection is not None:
            return connection
        time.sleep(_BETWEEN_TRIES)


def _try_banner(port: int, pace: Pace) -> socket.socket | None:
    # QEMU takes the connection before the guest does, so only a banner says that
    # somebody is there.
    patience = pace.seconds(timeouts.SSH_BANNER)
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", port), timeout=patience)
            )
            # Else a short message waits until the one before it is acknowledged, which
            # Linux does 40 ms late where nothing is answered: once at each log-in.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if connection.recv(4, socket.MSG_PEEK) != b"SSH-":
                return None
        except OSError:
            return None
        stack.pop_all()
        return connection


def _log_in(
    vm: Vm, transport: paramiko.Transport, keys: GuestKeys, deadline: Deadline
) -> None:
    remaining = max(deadline.remaining(), 0.1)
    transport.banner_timeout = remaining
    transport.auth_timeout = remaining
    try:
        transport.start_client(timeout=remaining)
        shown = transport.get_remote_server_key()
        if shown.asbytes() != keys.host:
            raise GuestError(
                "the guest has another host key than expected",
                hint="another program answers on its port; nothing was sent to it",
            )
        transport.auth_publickey(_USER, keys.client)
    except (paramiko.SSHException, OSError, EOFError) as error:
        if deadline.expired:
            raise vm.boot_timed_out("logging in", deadline) from error
        raise vm.lost("logging in", cause=error) from error
