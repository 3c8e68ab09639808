"""What a kernel logs while a case runs, and what of it its console shows.

The console shows what its log level lets through, which any command may set
(`dmesg -n 1`). The log has all, so that it decides. Of a guest that is gone only the
console is left: a kernel that dies makes it show everything.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from runner import timeouts
from runner.errors import RunnerError
from runner.failures import splats
from runner.guest.agent import KernelLog
from runner.guest.guest import Guest

log = logging.getLogger(__name__)

# "4,339,5140900,-;text": priority, number, microseconds, flags, and what later kernels
# add. "+" is a record that goes on with the line of the one before (up to 4.9).
_RECORD = re.compile(rb"\d+,\d+,(?P<time>\d{1,18}),(?P<flag>[^,;]*)[^;]*;(?P<text>.*)")
# How the kernel writes bytes that are no printable ASCII, and its backslash.
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_INCOMPLETE = (
    "the kernel logged more during a case than its log holds: what it reported first "
    "was only seen if the console showed it; `arguments: [log_buf_len=4M]` makes room"
)


def turn_page(guest: Guest) -> None:
    """Let `since_last` return only what is logged from now on.

    What an earlier case did to the guest says nothing about the next one. Never raises:
    the case finds a guest that is gone.
    """
    guest.vm.turn_page()
    with suppress(RunnerError):
        guest.agent.kernel_log(skip=True, timeout=timeouts.ANSWER.seconds)


def since_last(guest: Guest) -> tuple[str, str]:
    """Return what is new in the log, and on the console, as cleaned text.

    Never raises; the log of a guest that is gone is empty.
    """
    logged = ""
    # First: the console may then have a guest's last words.
    with suppress(RunnerError), guest.doing("reading the kernel's log"):
        found = guest.agent.kernel_log(timeout=timeouts.ANSWER.seconds)
        if found.incomplete:
            _note(guest)
        logged = text_of(found)
    return logged, guest.vm.news()


def _note(guest: Guest) -> None:
    notes = guest.life.starts.notes
    log.warning("%s: %s", guest.kernel.id, _INCOMPLETE)
    if _INCOMPLETE not in notes:
        notes.append(_INCOMPLETE)


def text_of(found: KernelLog) -> str:
    """Return the log's lines as a console shows them."""
    return splats.clean(b"\n".join(_lines(found.records or ())))


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
