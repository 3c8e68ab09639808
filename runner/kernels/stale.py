"""Which rows' sources have other files now than the lock has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels.lock import Lock
from runner.kernels.sources import providers
from runner.kernels.sources.source import FOREVER, Pin
from runner.matrix.matrix import BaseSource, Kernel

# "pinned": the matrix itself has the checksums, so that nothing moves. "unlocked": the
# lock has not the row, or not with its sources. "unknown": the source can't be asked.
State = Literal["current", "stale", "pinned", "unlocked", "unknown", "unavailable"]


@dataclass(frozen=True, kw_only=True)
class LockedState:
    """A row of the matrix, compared with the lock."""

    id: str
    state: State
    # Where the kernel comes from, for people: as locked, and as its source has it now.
    locked: str = ""
    now: str = ""
    # Why it is "unknown" or "unavailable".
    reason: str = ""


def compare(kernel: Kernel, lock: Lock, folder: Path, cache: Cache) -> LockedState:
    """Ask the source that a row is locked to what it means now; fetch no kernel.

    `folder` is the matrix's.
    """
    if kernel.unavailable:
        return LockedState(id=kernel.id, state="unavailable", reason=kernel.unavailable)
    for source in kernel.sources:
        locked = lock.of_source(kernel, source, folder)
        if locked is not None:
            return _compare(kernel.id, locked.pin, source, cache)
    # What --locked accepts without a lock.
    given = [source.shown for source in kernel.sources if source.tells_checksums]
    return LockedState(
        id=kernel.id,
        state="pinned" if given else "unlocked",
        locked=given[0] if given else "",
    )


def _compare(id_: str, locked: Pin, source: BaseSource, cache: Cache) -> LockedState:
    provider = providers.of(source)
    try:
        # What can't move need not be asked.
        forever = provider.fresh == FOREVER
        now = locked if forever else provider.resolve(source, cache)
    except ArtifactError as error:
        return LockedState(
            id=id_, state="unknown", locked=locked.origin, reason=error.message
        )
    return LockedState(
        id=id_,
        state="current" if _is_same(locked, now) else "stale",
        locked=locked.origin,
        now=now.origin,
    )


def _is_same(locked: Pin, now: Pin) -> bool:
    return (locked.provider, _identities(locked)) == (now.provider, _identities(now))


def _identities(pin: Pin) -> list[str]:
    return [item.identity for item in pin.items]
