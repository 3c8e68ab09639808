"""What came of a case in its guest: what the kernel logged, and what is left in it.

The console shows what its log level lets through, which any command may set
(`dmesg -n 1`). The kernel's log has all, so that it decides. Of a guest that is gone
only the console is left: a kernel that dies makes it show everything.

The agent knows how things were when the case began (images/agent/aftermath.c). It is
asked twice for each case, because a round trip is what costs.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from runner import timeouts
from runner.deadline import Deadline
from runner.errors import RunnerError
from runner.failures import splats
from runner.guest.guest import Guest
from runner.guest.replies import CaseTraces, LeftObject, LoadedObject

log = logging.getLogger(__name__)

# "4,339,5140900,-;text": priority, number, microseconds, flags, and what later kernels
# add. "+" is a record that goes on with the line of the one before (up to 4.9).
_RECORD = re.compile(rb"\d+,\d+,(?P<time>\d{1,18}),(?P<flag>[^,;]*)[^;]*;(?P<text>.*)")
# How the kernel writes bytes that are no printable ASCII, and its backslash.
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
# Seconds that the kernel gets to free what a grace period holds, and between two looks.
_PATIENCE = 0.2
_PAUSE = 0.02
# Of leftovers; more are counted.
_MOST = 20


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What came of a case, as far as its guest still tells."""

    # Whether the guest was lost before anybody looked: only its console tells.
    is_lost: bool = False
    # New lines of the kernel's log, and of the console; cleaned text.
    logged: str = ""
    shown: str = ""
    # "map counts (hash)", "/sys/fs/bpf/counts".
    left: tuple[str, ...] = ()
    # Whether new lines of the kernel's log were not read: it overwrote them, or the
    # guest no longer answered.
    incomplete: bool = False


def begin(guest: Guest) -> None:
    """Let `of` return only what comes from now on.

    What an earlier case did to the guest says nothing about the next one. Never raises:
    the case finds a guest that is gone.
    """
    guest.vm.turn_page()
    guest.lost_log = False
    with suppress(RunnerError):
        guest.agent.begin_case(timeout=timeouts.ANSWER.seconds)


def of(guest: Guest, *own: LoadedObject | None) -> Aftermath:
    """Return what came since the case began.

    `own` are objects that the agent has closed: the kernel may still be at work to free
    them. Never raises.
    """
    if not guest.usable:
        return Aftermath(is_lost=True, shown=guest.vm.news())
    logged, incomplete = "", True
    left: tuple[str, ...] = ()
    # First: the console may then have a guest's last words.
    with suppress(RunnerError), guest.doing("looking at what came of it"):
        found = guest.agent.traces(timeout=timeouts.ANSWER.seconds)
        incomplete = found.incomplete
        logged = text_of(found.records or ())
        left = _left(guest, found, _is_of(own))
    guest.lost_log |= incomplete
    if incomplete:
        log.warning("%s: the kernel's log is incomplete", guest.kernel.id)
    return Aftermath(
        logged=logged, shown=guest.vm.news(), left=left, incomplete=incomplete
    )


# ------------------------------------------------------------------------- the log


def text_of(records: Iterable[str]) -> str:
    """Return records of /dev/kmsg as a console shows them."""
    return splats.clean(b"\n".join(_lines(records)))


def _lines(records: Iterable[str]) -> Iterator[bytes]:
    line = b""
    for record in records:
        # Lines that begin with a space are its dictionary.
        match = _RECORD.match(record.partition("\n")[0].encode())
        if match is None:
            continue
        text = _ESCAPED.sub(lambda it: bytes([int(it[1], 16)]), match["text"])
        if line and match["flag"] == b"+":
            line += text
            continue
        if line:
            yield line
        line = _stamped(int(match["time"]), text)
    if line:
        yield line


def _stamped(microseconds: int, text: bytes) -> bytes:
    seconds, rest = divmod(microseconds, 1_000_000)
    stamp = b"[%5d.%06d] " % (seconds, rest)
    return b"\n".join(stamp + it for it in text.split(b"\n"))


# ------------------------------------------------------------------- what is left


def _left(
    guest: Guest, now: CaseTraces, is_own: Callable[[LeftObject], bool]
) -> tuple[str, ...]:
    """Return what is left once the kernel had time to free what it still holds."""
    deadline = Deadline.after(_PATIENCE * guest.vm.pace.scale)
    while True:
        objects = [it for it in now.objects if not is_own(it)]
        if not objects or deadline.expired:
            return tuple(_words([*now.pins, *map(str, objects)]))
        guest.agent.sleep(_PAUSE, timeout=timeouts.ANSWER.seconds)
        now = guest.agent.traces(timeout=timeouts.ANSWER.seconds)


def _is_of(own: tuple[LoadedObject | None, ...]) -> Callable[[LeftObject], bool]:
    loaded = [it for it in own if it is not None]
    programs = {program.id for it in loaded for program in it.programs}
    maps = {map_.id for it in loaded for map_ in it.maps}

    def is_own(left: LeftObject) -> bool:
        return left.id in maps if left.kind == "map" else left.program in programs

    return is_own


def _words(left: list[str]) -> Iterator[str]:
    yield from left[:_MOST]
    if len(left) > _MOST:
        yield f"and {len(left) - _MOST} more"
