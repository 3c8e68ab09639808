"""The connection to a guest: no wait outlasts the guest's last sign of life."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from runner.deadline import Deadline
from runner.guest.agent import AgentSession
from runner.guest.agenterrors import AgentLost, Unreachable
from runner.guest.ssh import Ssh, SshChannel
from runner.guest.sshlibrary import paramiko
from runner.timeouts import Pace
from tests.unit.guest.ssh_server import LONG, Server

# Silence is 0.2 s, a sign of life may take 0.3 s.
QUICK = Pace(0.01)


@dataclass(frozen=True, kw_only=True)
class Guest:
    """Both ends of a connection, and what can be done to the wire between them."""

    ssh: Ssh
    server: Server
    cut: threading.Event

    def say(self, data: bytes) -> None:
        self.server.channels[0].sendall(data)


def _wire(one: socket.socket, other: socket.socket, cut: threading.Event) -> None:
    """Carry bytes both ways until it is cut, and nothing then."""
    to = {one: other, other: one}
    with contextlib.suppress(OSError):
        while not cut.is_set():
            for it in select.select(list(to), [], [], 0.01)[0]:
                data = it.recv(1 << 16)
                if not data:
                    return
                to[it].sendall(data)


@pytest.fixture
def guest() -> Iterator[Guest]:
    near, one = socket.socketpair()
    other, far = socket.socketpair()
    cut, server = threading.Event(), Server()
    carrier = threading.Thread(target=_wire, args=(one, other, cut), daemon=True)
    carrier.start()
    with contextlib.ExitStack() as stack:
        for it in (near, one, other, far):
            stack.callback(it.close)
        serving = paramiko.Transport(far)
        serving.add_server_key(paramiko.ECDSAKey.generate())
        serving.start_server(event=threading.Event(), server=server)
        stack.callback(serving.close)
        transport = paramiko.Transport(near)
        stack.callback(transport.close)
        transport.start_client(timeout=LONG)
        transport.auth_none("root")
        yield Guest(ssh=Ssh(transport=transport, pace=QUICK), server=server, cut=cut)
        cut.set()
        server.answers.set()


@pytest.fixture
def channel(guest: Guest) -> SshChannel:
    return guest.ssh.start("agent")


def test_a_guest_that_is_at_work_is_waited_for(
    guest: Guest, channel: SshChannel
) -> None:
    threading.Timer(1.5, guest.say, [b"done\n"]).start()

    assert channel.receive_line(Deadline.after(LONG)) == b"done"


def test_a_guest_that_lives_has_until_the_deadline(channel: SshChannel) -> None:
    started = time.monotonic()

    with pytest.raises(TimeoutError) as caught:
        channel.receive_line(Deadline.after(1.0))

    assert not isinstance(caught.value, Unreachable)
    assert time.monotonic() - started >= 1.0


def test_a_guest_whose_network_is_gone_is_not_waited_for(
    guest: Guest, channel: SshChannel
) -> None:
    guest.cut.set()
    started = time.monotonic()

    with pytest.raises(Unreachable):
        channel.receive_line(Deadline.after(LONG))

    assert time.monotonic() - started < LONG / 2


def test_nor_in_the_middle_of_a_line(guest: Guest, channel: SshChannel) -> None:
    guest.say(b"half")
    threading.Timer(0.5, guest.cut.set).start()

    with pytest.raises(Unreachable):
        channel.receive_line(Deadline.after(LONG))


def test_the_session_says_how_long_nothing_came(
    guest: Guest, channel: SshChannel
) -> None:
    guest.cut.set()

    with pytest.raises(AgentLost, match=r"did not answer hello for \d+ s") as caught:
        AgentSession(channel).hello(timeout=LONG)

    assert caught.value.cause == "no_answer"
    assert not caught.value.reachable


def test_what_does_not_go_out_is_not_waited_for(
    guest: Guest, channel: SshChannel
) -> None:
    guest.cut.set()

    with pytest.raises((OSError, EOFError)):
        channel.send(bytes(32 << 20))


@pytest.mark.parametrize("gone", ["network", "server"])
def test_a_program_that_does_not_start_is_not_waited_for(
    guest: Guest, gone: str
) -> None:
    if gone == "network":
        guest.cut.set()
    else:
        guest.server.answers.clear()

    with pytest.raises(AgentLost, match="did not start 'agent'") as caught:
        guest.ssh.start("agent")

    assert caught.value.cause == "gone"
    assert not guest.ssh.answers("agent --version", Deadline.after(LONG))
