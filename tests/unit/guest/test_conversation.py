"""A connection that goes on in a guest's copies: what was said is said again."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from runner.guest import conversation
from runner.guest.conversation import (
    Conversation,
    Draws,
    Heard,
    KeptWire,
    ReplayedWire,
    Transport,
)
from runner.guest.sshlibrary import paramiko
from tests.unit.guest.ssh_server import LONG, Server


@dataclass
class Saved:
    """A guest that stands still, with what was said to it."""

    wire: socket.socket
    server: Server
    said: Conversation


@pytest.fixture
def saved() -> Iterator[Saved]:
    near, far = socket.socketpair()
    server = Server(says=b"hello\n")
    with near, far:
        serving = paramiko.Transport(far)
        serving.add_server_key(paramiko.ECDSAKey.generate())
        serving.start_server(event=threading.Event(), server=server)
        recorder = KeptWire(near)
        transport = Transport(recorder)
        talk(transport)
        said = recorder.conversation(transport.draws)
        transport.close()
        yield Saved(wire=near, server=server, said=said)
        serving.close()


def talk(transport: paramiko.Transport) -> paramiko.Channel:
    """Log in, start something, and hear its first line."""
    transport.start_client(timeout=LONG)
    transport.auth_none("root")
    channel = transport.open_session(timeout=LONG)
    channel.exec_command("agent")
    channel.settimeout(LONG)
    assert channel.recv(100) == b"hello\n"
    return channel


def test_a_conversation_goes_on_where_it_was_left(saved: Saved) -> None:
    transport = Transport(ReplayedWire(saved.wire, saved.said), saved.said.draws)
    channel = talk(transport)
    # It was started once: what was said before went to nobody.
    (there,) = saved.server.channels

    channel.sendall(b"and you?\n")
    there.settimeout(LONG)
    heard = there.recv(100)
    there.sendall(b"well\n")

    assert (heard, channel.recv(100)) == (b"and you?\n", b"well\n")
    # Whoever starts more meanwhile is served, too.
    other = transport.open_session(timeout=LONG)
    other.exec_command("sh")
    assert other.recv(100) == b"hello\n"
    transport.close()


def test_it_is_the_same_after_it_was_kept_as_text(saved: Saved) -> None:
    said = conversation.of_kept(saved.said.kept())

    assert said == saved.said
    transport = Transport(ReplayedWire(saved.wire, said), said.draws)
    talk(transport)
    transport.close()


def test_it_shows_nothing_of_its_secrets(saved: Saved) -> None:
    shown = f"{saved.said!r} {saved.said.draws!r}"

    assert shown == f"Conversation(said={saved.said.said}) Draws()"


@pytest.mark.parametrize("what", ["half", "opening"])
def test_who_draws_other_numbers_is_noticed(saved: Saved, what: str) -> None:
    drawn = saved.said.draws
    # The cookie is behind the message's number.
    opening = drawn.opening[:1] + bytes(16) + drawn.opening[17:]
    other = {"half": os.urandom(32), "opening": opening}
    draws = replace(drawn, **{what: other[what]})
    transport = Transport(ReplayedWire(saved.wire, saved.said), draws)

    with pytest.raises(paramiko.SSHException):
        talk(transport)

    transport.close()


def test_another_hosts_answers_are_noticed(saved: Saved) -> None:
    first, *others = saved.said.heard
    half = len(others) // 2
    changed = bytearray(others[half].data)
    changed[len(changed) // 2] ^= 1
    others[half] = replace(others[half], data=bytes(changed))
    said = replace(saved.said, heard=(first, *others))
    transport = Transport(ReplayedWire(saved.wire, said), said.draws)

    with pytest.raises((paramiko.SSHException, EOFError)):
        talk(transport)

    transport.close()


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


SHORT = Conversation(
    draws=Draws(half=b"", opening=b""),
    heard=(Heard(after=0, data=b"who is there?"), Heard(after=2, data=b"come in")),
    said=4,
)


def test_what_was_said_goes_to_nobody(
    wire: tuple[socket.socket, socket.socket],
) -> None:
    near, far = wire
    again = ReplayedWire(near, SHORT)

    # A part that was said, and a part that is new.
    assert again.send(b"itsme") == 4
    assert again.send(b"e") == 1

    far.settimeout(LONG)
    assert far.recv(100) == b"e"
    again.close()


def test_nothing_is_heard_before_its_turn(
    wire: tuple[socket.socket, socket.socket],
) -> None:
    near, far = wire
    far.sendall(b"!")
    again = ReplayedWire(near, SHORT)
    again.settimeout(0.01)

    assert (again.recv(3), again.recv(100)) == (b"who", b" is there?")
    with pytest.raises(TimeoutError):
        again.recv(100)
    again.send(b"it")
    assert again.recv(100) == b"come in"
    # Nothing that comes is lost, and it comes last.
    assert again.recv(100) == b"!"
    again.close()


def test_its_wire_stays_open_for_the_machine(
    wire: tuple[socket.socket, socket.socket],
) -> None:
    near, far = wire
    KeptWire(near).close()
    ReplayedWire(near, SHORT).close()

    near.sendall(b"still there")

    assert far.recv(100) == b"still there"


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "[]",
        "{}",
        '{"half": 1, "opening": "", "heard": [], "said": 0}',
        '{"half": "secret", "opening": "", "heard": [], "said": 0}',
        '{"half": "", "opening": "", "heard": [1], "said": 0}',
        '{"half": "", "opening": "", "heard": [["secret", ""]], "said": 0}',
        '{"half": "", "opening": "", "heard": [], "said": "secret"}',
    ],
)
def test_what_is_no_conversation_is_refused_without_its_words(kept: str) -> None:
    with pytest.raises(ValueError, match="not a conversation") as caught:
        conversation.of_kept(kept)

    assert "secret" not in str(caught.value)
