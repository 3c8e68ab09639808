"""Whether a guest is again as it was at its start, so that it may serve another object.

The agent counts what there is (images/agent/census.c). What is more or less than at the
guest's start ends the guest, and so does what can't be known. What no census shows,
such as the values of counters, is why a failure in a used guest alone never counts.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from runner import timeouts
from runner.deadline import Deadline
from runner.guest.agenterrors import AgentError
from runner.guest.guest import Guest
from runner.guest.replies import Census

log = logging.getLogger(__name__)

# What a kernel that does not tell of it may keep unseen. All else that it holds of BPF
# needs one of these: a link a program, a BTF that no process has open both.
_NEEDED = ("programs", "maps")
# What the kernel may still be at work to free, after a grace period or in a worker, and
# processes that are ending.
_LINGERING = frozenset(
    {"programs", "maps", "links", "BTFs", "processes", "interfaces", "memory"}
)
# Seconds that it gets for that, and between two looks.
_PATIENCE = 0.5
_PAUSE = 0.02
_SYSCTLS = "sysctls"
# How much less of the memory that was available at the start may be left: what the
# kernel caches for others, and what the agent has learnt.
_LESS_MEMORY = 0.125


@dataclass(frozen=True, kw_only=True)
class Start:
    """A guest before anybody used it."""

    census: Census
    # Bytes on its console.
    printed: int


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something that is not as it was at a guest's start."""

    # As the agent calls it: "maps", "kprobe events"; or "memory", "console".
    part: str
    what: str

    def __str__(self) -> str:
        return f"{self.part}: {self.what}"


def at_start(guest: Guest) -> Start | None:
    """Count what is in a guest that nobody used; None if its agent can't.

    Raises GuestError when the guest dies.
    """
    found = _taken(guest, sysctls=False)
    return None if found is None else Start(census=found, printed=guest.vm.printed)


def with_sysctls(guest: Guest, start: Start) -> Start | None:
    """Add a guest's sysctls to its start, before the first command that may set one.

    They take longer than all else. Raises as `at_start` does.
    """
    now = _taken(guest, sysctls=True)
    if now is None:
        return None
    parts = {**start.census.parts, _SYSCTLS: now.parts.get(_SYSCTLS)}
    census = start.census.model_copy(update={"parts": parts})
    return replace(start, census=census)


def changes(guest: Guest, start: Start) -> tuple[Leftover, ...]:
    """Return what is otherwise in a guest than at its start, once it has settled.

    Nothing means that all is as it was, and is known to be; sysctls, where the start
    has them.
    Raises GuestError when the guest dies.
    """
    sysctls = _SYSCTLS in start.census.parts
    deadline = Deadline.after(_PATIENCE * guest.vm.pace.scale)
    while True:
        now = _taken(guest, sysctls=sysctls)
        if now is None:
            return (Leftover(part="agent", what="can't count what is there"),)
        found = tuple(differences(start.census, now))
        if guest.vm.printed != start.printed:
            found = (*found, Leftover(part="console", what="something was printed"))
        lasting = [it for it in found if it.part not in _LINGERING]
        if not found or lasting or deadline.expired:
            return found
        with guest.doing("waiting until all is freed"):
            guest.agent.sleep(_PAUSE, timeout=timeouts.ANSWER.seconds)


def _taken(guest: Guest, *, sysctls: bool) -> Census | None:
    try:
        with guest.doing("counting what is there"):
            return guest.agent.census(sysctls=sysctls, timeout=timeouts.LOOK.seconds)
    except AgentError as error:
        log.warning("%s: no census: %s", guest.kernel.id, error.message)
        return None


def differences(start: Census, now: Census) -> Iterator[Leftover]:
    """Yield what is otherwise than at the start, and what is not known."""
    for part in _NEEDED:
        if start.parts.get(part) is None or now.parts.get(part) is None:
            yield Leftover(part=part, what="this kernel does not tell")
    for part, after in now.parts.items():
        what = _difference(start.parts.get(part), after)
        if what:
            yield Leftover(part=part, what=what)
    least = start.available_kib * (1 - _LESS_MEMORY)
    if now.available_kib < least:
        yield Leftover(
            part="memory",
            what=f"{now.available_kib} KiB are available of {start.available_kib}",
        )


def _difference(before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> str:
    """Return what is more and what is less; nothing if only the order is another."""
    if before is None and after is None:
        return ""
    if before is None or after is None:
        return "not known" if before is None else "no longer known"
    more, less = Counter(after) - Counter(before), Counter(before) - Counter(after)
    words = [f"more: {', '.join(more)}"] if more else []
    words += [f"less: {', '.join(less)}"] if less else []
    return "; ".join(words)
