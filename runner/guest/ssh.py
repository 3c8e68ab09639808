"""SSH into a guest: one connection, with pinned keys, that carries the agent."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from runner import timeouts
from runner.deadline import Deadline
from runner.errors import GuestError
from runner.guest.agenterrors import AgentLost, Unreachable
from runner.guest.conversation import Conversation, KeptWire, ReplayedWire, Transport
from runner.guest.keys import GuestKeys
from runner.guest.qemu.machine import LINE
from runner.guest.qemu.vm import Vm
from runner.guest.sshlibrary import paramiko
from runner.timeouts import Pace, Timeout

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
# Starts an SSH server that serves who answers at LINE, and outlives who starts it.
_CALL = (
    f"setsid nc {LINE[0]} {LINE[1]} -e /usr/sbin/dropbear -i -s -m "
    "-r /etc/dropbear/host_key </dev/null >/dev/null 2>&1 &"
)


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

    def start(self, command: str) -> "SshChannel":
        """Start a command, a constant of this program, and return its channel.

        Raises AgentLost when the guest does not.
        """
        try:
            with self.within(timeouts.SSH_CHANNEL):
                channel = self.open_channel()
                channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise AgentLost(
                f"the guest's SSH server did not start {command!r}: {error}",
                cause="gone",
                operation="start",
            ) from error
        return SshChannel(channel, self)

    def answers(self, command: str, deadline: Deadline) -> bool:
        """Whether a command prints a line by the deadline: then the guest lives."""
        try:
            return bool(self.start(command).receive_line(deadline))
        except (AgentLost, OSError, EOFError):
            return False

    def is_alive(self) -> bool:
        """Whether the guest's SSH server answers; asked beside all that goes on."""
        try:
            with self.within(timeouts.ALIVE):
                self.transport.open_session(
                    timeout=self.pace.seconds(timeouts.ALIVE)
                ).close()
        except (paramiko.SSHException, OSError, EOFError):
            return False
        return True

    @contextmanager
    def within(self, timeout: Timeout) -> Iterator[None]:
        """Hang up if what is done takes so long: the guest is lost then.

        paramiko waits without end for the answer to a request, and for room to send.
        Both end when the connection is closed.
        """
        # What has a timeout of its own ends by that.
        watch = threading.Timer(2 * self.pace.seconds(timeout), self.transport.close)
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()

    def close(self) -> None:
        """Hang up; done twice, it does nothing."""
        self.transport.close()


class SshChannel:
    """A command's standard input and output; see `runner.guest.exchange.Channel`."""

    def __init__(self, channel: paramiko.Channel, connection: Ssh) -> None:
        self._channel = channel
        self._connection = connection
        self._received = bytearray()

    def send(self, data: bytes) -> None:
        """Send all of `data`. Raises OSError or EOFError when the guest is gone."""
        for start in range(0, len(data), _CHUNK):
            with self._connection.within(timeouts.SEND):
                self._channel.settimeout(self._connection.pace.seconds(timeouts.SEND))
                self._channel.sendall(data[start : start + _CHUNK])

    def close(self) -> None:
        """End the command's input; done twice, it does nothing."""
        with self._connection.within(timeouts.SSH_CHANNEL):
            self._channel.close()

    def receive_line(self, deadline: Deadline) -> bytes:
        """Return the next line without its end.

        A line that has begun by the deadline may take two minutes more. Raises EOFError
        when the other side closed, TimeoutError, and Unreachable when the guest gives
        no sign of life.
        """
        searched = 0
        end_of_line = Deadline.after(deadline.remaining() + _LONGEST_LINE)
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            chunk = self._receive(end_of_line if self._received else deadline)
            if not chunk:
                raise EOFError("the guest closed the channel")
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _receive(self, limit: Deadline) -> bytes:
        """Return what comes, by the limit, from a guest that lives meanwhile."""
        silent = time.monotonic()
        while True:
            silence = self._connection.pace.seconds(timeouts.SILENCE)
            self._channel.settimeout(max(min(limit.remaining(), silence), 0.001))
            try:
                return self._channel.recv(_CHUNK)
            except TimeoutError:
                if limit.expired:
                    raise
            if not self._connection.is_alive() and not self._channel.recv_ready():
                raise Unreachable(time.monotonic() - silent)


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


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A connection that can be saved with its guest."""

    ssh: Ssh
    transport: Transport
    wire: KeptWire

    def conversation(self) -> Conversation:
        """Return what was said until now."""
        return self.wire.conversation(self.transport.draws)


@contextmanager
def be_called(
    vm: Vm, through: Ssh, keys: GuestKeys, deadline: Deadline
) -> Iterator[Recorded]:
    """Have the guest call the runner, and log in by that connection.

    `through` is the one by which it is told to. Raises AgentLost, and as `connect`.
    """
    through.start(_CALL)
    wire = KeptWire(vm.line)
    with closing(Transport(wire)) as transport:
        _log_in(vm, transport, keys, deadline)
        ssh = Ssh(transport=transport, pace=vm.pace)
        yield Recorded(ssh=ssh, transport=transport, wire=wire)


@contextmanager
def go_on(
    vm: Vm, keys: GuestKeys, conversation: Conversation, deadline: Deadline
) -> Iterator[Ssh]:
    """Have a conversation again up to where its guest was saved, and go on with it.

    The guest need not run before more is said than was. Raises as `connect` does.
    """
    wire = ReplayedWire(vm.line, conversation)
    with closing(Transport(wire, conversation.draws)) as transport:
        _log_in(vm, transport, keys, deadline)
        yield Ssh(transport=transport, pace=vm.pace)


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
