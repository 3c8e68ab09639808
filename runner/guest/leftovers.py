"""What a case leaves in the kernel when all that it started has ended: pins, and so on.

The agent knows what there was when the case began (images/agent/leftovers.c), so that
a case which leaves nothing costs two short questions.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from runner import timeouts
from runner.deadline import Deadline
from runner.errors import RunnerError
from runner.guest.agent import LeftObject, Leftovers, LoadedObject
from runner.guest.guest import Guest

# Seconds that the kernel gets to free what a grace period holds, and between two looks.
_PATIENCE = 0.2
_PAUSE = 0.02
# More are counted.
_MOST = 20


def begin(guest: Guest) -> None:
    """Let `found` return only what there is besides what there is now.

    Never raises: the case finds a guest that is gone.
    """
    with suppress(RunnerError):
        guest.agent.leftovers(begin=True, timeout=timeouts.ANSWER.seconds)


def found(guest: Guest, *own: LoadedObject | None) -> tuple[str, ...]:
    """Return what is left: "map counts (hash)", "/sys/fs/bpf/counts".

    `own` are objects that the agent has closed: the kernel may still be at work to free
    them. Nothing of a guest that is gone; never raises.
    """
    if not guest.usable:
        return ()
    is_own = _is_of(own)
    with suppress(RunnerError), guest.doing("listing leftovers"):
        deadline = Deadline.after(_PATIENCE * guest.vm.pace.scale)
        while True:
            now = guest.agent.leftovers(timeout=timeouts.ANSWER.seconds)
            objects = [it for it in now.objects if not is_own(it)]
            if not objects or deadline.expired:
                return tuple(_shown(objects, now))
            guest.agent.sleep(_PAUSE, timeout=timeouts.ANSWER.seconds)
    return ()


def _is_of(own: tuple[LoadedObject | None, ...]) -> Callable[[LeftObject], bool]:
    loaded = [it for it in own if it is not None]
    programs = {program.id for it in loaded for program in it.programs}
    maps = {map_.id for it in loaded for map_ in it.maps}

    def is_own(left: LeftObject) -> bool:
        return left.id in maps if left.kind == "map" else left.program in programs

    return is_own


def _shown(objects: list[LeftObject], now: Leftovers) -> Iterator[str]:
    words = [*now.pins, *map(str, objects)]
    yield from words[:_MOST]
    if len(words) > _MOST:
        yield f"and {len(words) - _MOST} more"
