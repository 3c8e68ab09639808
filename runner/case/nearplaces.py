"""What a guest's kernel has that is called like a place that it lacks.

Places of a section are predicted, with what is near (runner/preflight/neartargets.py).
Those of `attach` in a suite are looked for in the guest, once attaching has failed.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from runner import timeouts
from runner.errors import RunnerError
from runner.guest import timely
from runner.guest.guest import Guest
from runner.text.nearest import nearest

log = logging.getLogger(__name__)

# Where tracefs may be, as libbpf looks for it.
_TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_EVENTS, _FUNCTIONS = "available_events", "available_filter_functions"
_MOST = 3
# How much names resemble each other, from 0 to 1.
_LIKE = 0.8
# A kernel has 50,000 functions: those are looked at that begin alike.
_BEGINNING = 2
_SYSCALL = "syscalls:sys_enter_"


@dataclass(frozen=True, kw_only=True)
class _Names:
    """Where the names of a kind of places are."""

    # A file of tracefs.
    file: str
    # What of its lines is a name, as a place has it.
    read: Callable[[Iterable[str]], Iterable[str]]


def _functions(lines: Iterable[str]) -> Iterable[str]:
    # "vfs_read [module]"
    return (it.split()[0] for it in lines if it.strip())


def _events(lines: Iterable[str]) -> Iterable[str]:
    return (it.strip().replace(":", "/", 1) for it in lines)


def _bare_events(lines: Iterable[str]) -> Iterable[str]:
    return (it.strip().partition(":")[2] for it in lines)


def _syscalls(lines: Iterable[str]) -> Iterable[str]:
    return (it.strip()[len(_SYSCALL) :] for it in lines if it.startswith(_SYSCALL))


_NAMES: Mapping[str, _Names] = {
    **dict.fromkeys(("kprobe", "kretprobe"), _Names(file=_FUNCTIONS, read=_functions)),
    **dict.fromkeys(("tp", "tracepoint"), _Names(file=_EVENTS, read=_events)),
    **dict.fromkeys(
        ("raw_tp", "raw_tracepoint"), _Names(file=_EVENTS, read=_bare_events)
    ),
    **dict.fromkeys(("ksyscall", "kretsyscall"), _Names(file=_EVENTS, read=_syscalls)),
}


def near(place: str, guest: Guest) -> tuple[str, ...]:
    """Return names that are like a place's, the nearest first; at most three.

    Never raises: without them, only the advice is missing.
    """
    kind, _, name = place.partition("/")
    names = _NAMES.get(kind)
    if names is None or not name or not guest.usable:
        return ()
    wanted = name.partition("+")[0]
    beginning = wanted[:_BEGINNING] if names.file == _FUNCTIONS else ""
    try:
        lines = _lines(names.file, beginning, guest)
    except RunnerError as error:
        log.info("%s: nothing is near %s: %s", guest.kernel.id, place, error.message)
        return ()
    # A name may stand there for several functions.
    known = dict.fromkeys(names.read(lines))
    return tuple(it for it in nearest(wanted, known, _MOST, cutoff=_LIKE) if it)


def _lines(file: str, beginning: str, guest: Guest) -> list[str]:
    for folder in _TRACEFS:
        argv = ["grep", f"^{beginning}", f"{folder}/{file}"]
        said = timely.run(guest.agent, argv, timeouts.LOOK)
        if said.stdout:
            return said.stdout.splitlines()
    return []
