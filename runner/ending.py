"""What ends the program early: signals, and an output that nobody reads any more.

Small and quick to import: it is at work before everything else.
"""

import io
import os
import signal
import sys
import time
from contextlib import suppress

# Others are read by type checkers only: typing alone takes longer than all of these.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TextIO

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# SIGHUP, too: what started the program went away, and it ends as if asked to.
_STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}
# timeout(1) sends each signal twice; a person does not within this many seconds.
_APART = 0.5


class Stopped(KeyboardInterrupt):
    """The program is to end now, in good order.

    A KeyboardInterrupt, because that is what libraries let through.
    """

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.why = why
        # The exit status.
        self.status = status


class _Asked:
    """What signals asked for so far."""

    first: Stopped | None = None
    at: float = 0.0
    # Called when there is no time for good order.
    sweep: "Callable[[], None] | None" = None


def watch_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise Stopped; a second one ends at once.

    Those that are ignored, as by nohup or in a shell's background, stay so.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def sweep_with(sweep: "Callable[[], None] | None") -> None:
    """Set what removes half-made files when a second signal ends the program."""
    _Asked.sweep = sweep


def check() -> None:
    """Raise Stopped again where a library swallowed it."""
    if _Asked.first is not None:
        raise _Asked.first


def _stop(number: int, _frame: "FrameType | None") -> None:
    name = signal.Signals(number).name
    status = _STATUS[signal.Signals(number)]
    now = time.monotonic()
    if _Asked.first is None:
        _Asked.first = Stopped(
            "interrupted" if number == signal.SIGINT else f"ended by {name}", status
        )
        _Asked.at = now
        raise _Asked.first
    if now - _Asked.at > _APART:
        _end_at_once(f"ended at once by a second signal, {name}", status)


def _end_at_once(why: str, status: int) -> None:
    # Guests die with the process: QEMU has PR_SET_PDEATHSIG.
    if _Asked.sweep is not None:
        with suppress(OSError):
            _Asked.sweep()
    with suppress(OSError):
        os.write(2, f"\n{why}; what was done so far is in the reports\n".encode())
    os._exit(status)


class Output(io.TextIOBase):
    """A stream that remembers that it can't be written, and goes on without."""

    def __init__(self, stream: "TextIO") -> None:
        super().__init__()
        self._stream = stream
        # What kept the first text from being written.
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, or drop it when nothing can be written any more."""
        if self.lost is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        if self.lost is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.lost = error
        # Else Python would fail to write at its end what is buffered.
        with suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Say that it takes text."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """What becomes of characters that the encoding lacks."""
        return self._stream.errors

    @property
    def buffer(self) -> object:
        """The stream's bytes."""
        return self._stream.buffer


def guard_output() -> Output | None:
    """Put an Output in place of standard output; None where there is none."""
    if sys.stdout is None:
        return None
    if not isinstance(sys.stdout, Output):
        sys.stdout = Output(sys.stdout)
    return sys.stdout
