"""What ends the program early: signals.

Small and quick to import: it is at work before everything else.
"""

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

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# SIGHUP, too: what started the program went away, and it ends as if asked to.
_STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}
# Seconds after which a signal asks again that Python swallowed.
_AGAIN = 0.05
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


class _Memory:
    """Whether there is still some."""

    is_gone = False


def watch_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise Stopped; a second one ends at once.

    Those that are ignored, as by nohup or in a shell's background, stay so.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    signal.signal(signal.SIGALRM, lambda *_: check())
    sys.unraisablehook = _unraisable


def ignore_signals() -> None:
    """Ignore SIGINT, SIGTERM and SIGHUP from now on."""
    for number in (*_SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def out_of_memory() -> None:
    """Note that memory ran out: what libraries do at exit would fail, too."""
    _Memory.is_gone = True


def left(status: int) -> int:
    """Return the program's exit status, or exit with it at once if memory ran out."""
    if _Memory.is_gone:
        with suppress(Exception):
            sys.stderr.flush()
        os._exit(status)
    return status


def sweep_with(sweep: "Callable[[], None] | None") -> None:
    """Set what removes half-made files when a second signal ends the program."""
    _Asked.sweep = sweep


def check() -> None:
    """Raise Stopped again where a library swallowed it."""
    if _Asked.first is not None:
        raise _Asked.first


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    """Ask again soon for what Python swallowed: a signal came in a destructor."""
    if isinstance(found.exc_value, Stopped):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    else:
        sys.__unraisablehook__(found)


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
        os.write(2, f"\n{why}; the reports have the results so far\n".encode())
    os._exit(status)
