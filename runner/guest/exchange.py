"""Requests to the guest agent and its replies: a JSON object a line, one at a time."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import JsonValue, ValidationError

from runner.deadline import Deadline
from runner.guest.agenterrors import AgentError, AgentLost, Unreachable
from runner.guest.loads import Seen
from runner.guest.replies import AgentReply, FailureReply, PrintedEvent, RecordedEvent
from runner.timeouts import USUAL, Pace

_SHOWN = 200

_Reply = TypeVar("_Reply", bound=AgentReply)


class Channel(Protocol):
    """The agent's standard input and output."""

    def send(self, data: bytes) -> None:
        """Send all of `data`. Raises OSError or EOFError when nobody is there."""

    def receive_line(self, deadline: Deadline) -> bytes:
        """Return the next line without its end.

        Raises EOFError when the other side closed, TimeoutError at the deadline,
        Unreachable earlier if the other side's machine shows no sign of life, and
        OSError when the connection broke.
        """


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who gets what a command does while it runs."""

    show: Callable[[str, bytes], None]
    record: Callable[[Seen], None]

    def take(self, event: PrintedEvent | RecordedEvent) -> None:
        """Hand an event on."""
        match event:
            case PrintedEvent():
                self.show(event.stream, event.data)
            case RecordedEvent():
                self.record(event.record)


class AgentExchange:
    """A conversation, of which subclasses know the words.

    `_ask` raises AgentError when the agent says no, and AgentLost when it does not
    answer by its deadline; from then on it raises AgentLost at once, for a late answer
    can't be told from the next one.
    """

    def __init__(self, channel: Channel, pace: Pace = USUAL) -> None:
        self._channel = channel
        self._pace = pace
        self._last_id = 0
        self._lost = ""

    def _ask(
        self,
        shape: type[_Reply],
        operation: str,
        timeout: float,
        *,
        known: Mapping[str, JsonValue] | None = None,
        scale: float | None = None,
        events: Listener | None = None,
        **arguments: JsonValue,
    ) -> _Reply:
        """Send a request and return its reply, completed by what is `known`."""
        if self._lost:
            raise AgentLost(
                f"{operation} was not requested, because {self._lost}",
                operation=operation,
            )
        self._last_id += 1
        request = {"id": self._last_id, "op": operation, **arguments}
        patience = timeout * (self._pace.scale if scale is None else scale)
        text = json.dumps(request).encode()
        line = self._exchange(operation, text, patience)
        reply = self._parse(operation, line)
        while events is not None and "ok" not in reply:
            self._take(operation, line, reply, events)
            # What it prints takes its own time to come.
            line = self._exchange(operation, b"", patience)
            reply = self._parse(operation, line)
        try:
            if reply.get("ok") is True:
                return shape.model_validate({**reply, **(known or {})})
            failure = FailureReply.model_validate(reply)
        except ValidationError as error:
            raise self._loss(f"answered {operation} with {_shown(line)}") from error
        raise AgentError(
            failure.error.message,
            operation=operation,
            errno_name=failure.error.errno,
            log=failure.log,
        )

    def _exchange(self, operation: str, request: bytes, timeout: float) -> bytes:
        try:
            if request:
                self._channel.send(request + b"\n")
            return self._channel.receive_line(Deadline.after(timeout))
        except Unreachable as error:
            raise self._loss(
                f"did not answer {operation} for {error.seconds:.0f} s",
                cause="no_answer",
                operation=operation,
                seconds=error.seconds,
                reachable=False,
            ) from error
        except TimeoutError as error:
            late = f"did not answer {operation} within {timeout:g} s"
            raise self._loss(
                late, cause="no_answer", operation=operation, seconds=timeout
            ) from error
        except (OSError, EOFError) as error:
            gone = f"disconnected during {operation}"
            raise self._loss(gone, cause="gone", operation=operation) from error
        except KeyboardInterrupt:
            # It may be at work for long still, and nobody waits for what comes then.
            self._loss(f"was interrupted during {operation}")
            raise

    def _take(
        self,
        operation: str,
        line: bytes,
        event: Mapping[str, JsonValue],
        events: Listener,
    ) -> None:
        try:
            shape = RecordedEvent if "record" in event else PrintedEvent
            found = shape.model_validate(event)
        except ValidationError as error:
            raise self._loss(f"answered {operation} with {_shown(line)}") from error
        try:
            events.take(found)
        except BaseException:
            # More comes, and nobody waits for it.
            self._loss(f"was interrupted during {operation}")
            raise

    def _parse(self, operation: str, line: bytes) -> dict[str, JsonValue]:
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._loss(
                f"did not answer {operation} with JSON: {_shown(line)}"
            ) from error
        if isinstance(reply, dict):
            # A request that the agent could not parse has no id for it.
            refused = reply.get("ok") is False and reply.get("id") is None
            if refused or reply.get("id") == self._last_id:
                return reply
        raise self._loss(f"answered another request, not {operation}: {_shown(line)}")

    def _loss(self, what: str, **how: Any) -> AgentLost:
        """Note that the agent is lost; `how` is what AgentLost takes."""
        self._lost = f"the agent {what}"
        return AgentLost(self._lost, **how)


def encoded(data: bytes) -> str:
    """Return bytes as a request has them."""
    return base64.b64encode(data).decode("ascii")


def _shown(line: bytes) -> str:
    return repr(line[:_SHOWN])
