"""An SSH connection that is saved together with its guest, and goes on in its copies.

Each log-in costs a guest more than its start does: nearly all of the code that serves
it runs for the first time, and is translated first. So a guest is saved with somebody
logged in. What its SSH server knows of the connection is in its memory; what the
runner's side knows is kept as what both sides said, and is made again by saying it once
more: to nobody, until all of it is said, and to the guest from then on.

Only a side that draws the same random numbers says the same. An SSH client draws three:
its half of the key exchange, the cookie of its first message, and padding, which
matters to nobody. The first two are kept. All else is as in any connection: the host
key is checked, and who says anything else than was said fails at the first signature.
"""

import base64
import json
import os
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from runner.guest.sshlibrary import paramiko

if TYPE_CHECKING:
    from typing_extensions import Buffer

# The exchange whose secret half can be kept. Servers call it so since 2013.
_EXCHANGE = "curve25519-sha256@libssh.org"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Bytes that the guest said."""

    # How many bytes the runner had said before.
    after: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What an SSH client drew at random: a secret."""

    # Its half of a Curve25519 exchange, 32 bytes.
    half: bytes = field(repr=False)
    # The first message, with its cookie.
    opening: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What was said in a connection until its guest was saved: a secret."""

    draws: Draws = field(repr=False)
    heard: tuple[Heard, ...] = field(repr=False)
    # How many bytes the runner said.
    said: int

    def kept(self) -> str:
        """Return it as text; see `of_kept`."""
        return json.dumps(
            {
                "half": _text(self.draws.half),
                "opening": _text(self.draws.opening),
                "heard": [[it.after, _text(it.data)] for it in self.heard],
                "said": self.said,
            }
        )


def of_kept(text: str) -> Conversation:
    """Return the conversation whose `kept` this is.

    Raises ValueError when it is nothing of that kind.
    """
    try:
        found = json.loads(text)
        return Conversation(
            draws=Draws(
                half=_bytes(found["half"]),
                opening=_bytes(found["opening"]),
            ),
            heard=tuple(
                Heard(after=int(after), data=_bytes(data))
                for after, data in found["heard"]
            ),
            said=int(found["said"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        # Without the cause's words, which may hold some of the key.
        raise ValueError(f"not a conversation ({type(error).__name__})") from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


class KeptWire(socket.socket):
    """A socket that remembers what went over it."""

    def __init__(self, wire: socket.socket) -> None:
        """`wire` stays open when it is closed."""
        super().__init__(fileno=os.dup(wire.fileno()))
        self._said = 0
        self._heard: list[Heard] = []

    def send(self, data: "Buffer", flags: int = 0) -> int:
        """Send some of `data`, and return how many bytes."""
        sent = super().send(data, flags)
        self._said += sent
        return sent

    def recv(self, most: int, flags: int = 0) -> bytes:
        """Return what comes."""
        data = super().recv(most, flags)
        self._heard.append(Heard(after=self._said, data=data))
        return data

    def conversation(self, draws: Draws) -> Conversation:
        """Return what was said until now."""
        return Conversation(draws=draws, heard=tuple(self._heard), said=self._said)


class ReplayedWire(socket.socket):
    """A socket over which a conversation is had again, and then goes on."""

    def __init__(self, wire: socket.socket, conversation: Conversation) -> None:
        """`wire` stays open when it is closed."""
        super().__init__(fileno=os.dup(wire.fileno()))
        self._said = 0
        self._to_say = conversation.said
        # The next one last.
        self._to_hear = list(reversed(conversation.heard))
        self._has_said = threading.Condition()

    def send(self, data: "Buffer", flags: int = 0) -> int:
        """Send some of `data`: to nobody as long as it was said before."""
        with self._has_said:
            again = min(len(memoryview(data)), self._to_say - self._said)
            self._said += again
            self._has_said.notify_all()
        return again or super().send(data, flags)

    def recv(self, most: int, flags: int = 0) -> bytes:
        """Return what was heard, each in its turn, and then what comes."""
        with self._has_said:
            if self._to_hear:
                if not self._has_said.wait_for(self._is_next, self.gettimeout()):
                    raise TimeoutError
                it = self._to_hear.pop()
                if len(it.data) > most:
                    self._to_hear.append(Heard(after=it.after, data=it.data[most:]))
                return it.data[:most]
        return super().recv(most, flags)

    def _is_next(self) -> bool:
        return self._said >= self._to_hear[-1].after


# It is no part of what paramiko documents, but has stood there since 2.2.
_EXCHANGES: dict[str, Any] = paramiko.Transport._kex_info  # type: ignore[attr-defined]
_Curve25519: Any = _EXCHANGES[_EXCHANGE]


class _Exchange(_Curve25519):  # type: ignore[misc]
    transport: "Transport"
    key: X25519PrivateKey

    def start_kex(self) -> None:
        super().start_kex()
        self.key = self.transport.half_of(self.key)


class Transport(paramiko.Transport):
    """A connection whose random numbers can be kept, and drawn again."""

    _kex_info: ClassVar[dict[str, Any]] = {**_EXCHANGES, _EXCHANGE: _Exchange}

    def __init__(
        self, wire: KeptWire | ReplayedWire, again: Draws | None = None
    ) -> None:
        """With `again`, it says what the one said that drew them."""
        super().__init__(wire)
        self.get_security_options().kex = (_EXCHANGE,)
        self._again = again
        # What it drew first; keys are exchanged again after a gigabyte.
        self._half: X25519PrivateKey | None = None
        self._opening = b""

    @property
    def draws(self) -> Draws:
        """What it drew, once somebody has logged in."""
        assert self._half is not None
        raw = self._half.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return Draws(half=raw, opening=self._opening)

    def half_of(self, drawn: X25519PrivateKey) -> X25519PrivateKey:
        """Return the half to exchange keys with, if this one was drawn."""
        if self._half is not None:
            return drawn
        if self._again is not None:
            drawn = X25519PrivateKey.from_private_bytes(self._again.half)
        self._half = drawn
        return drawn

    def _send_kex_init(self) -> None:
        super()._send_kex_init()  # type: ignore[misc]
        if self._opening:
            return
        if self._again is not None:
            # The one that was sent went to nobody.
            self.local_kex_init = self._again.opening
        self._opening = self.local_kex_init or b""
