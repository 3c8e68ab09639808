"""Which rows' sources have other files now than the lock has."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import btf
from runner.kernels.lock import Lock, Locked
from runner.kernels.sources import providers
from runner.kernels.sources.source import FOREVER, Item
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
    # Why it is "unknown" or "unavailable", or which files of a "stale" one are others
    # where `locked` and `now` say the same.
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
            return _compare(kernel, locked, source, cache)
    # What --locked accepts without a lock.
    given = [source.shown for source in kernel.sources if source.tells_checksums]
    return LockedState(
        id=kernel.id,
        state="pinned" if given else "unlocked",
        locked=given[0] if given else "",
    )


def _compare(
    kernel: Kernel, locked: Locked, source: BaseSource, cache: Cache
) -> LockedState:
    provider = providers.of(source)
    pin = locked.pin
    try:
        # What can't move need not be asked.
        forever = providers.freshness(source) == FOREVER
        now = pin if forever else provider.resolve(source, cache)
        others = _others(pin.items, now.items)
        # Another kernel has other BTF anyway.
        if not others:
            others = _others(
                locked.btf, btf.now(kernel.btf, locked.btf, kernel.architecture, cache)
            )
    except ArtifactError as error:
        return LockedState(
            id=kernel.id, state="unknown", locked=pin.origin, reason=error.message
        )
    moved = bool(others) or pin.provider != now.provider
    hidden = others and pin.origin == now.origin
    return LockedState(
        id=kernel.id,
        state="stale" if moved else "current",
        locked=pin.origin,
        now=now.origin,
        reason=f"other files now: {', '.join(others)}" if hidden else "",
    )


def _others(locked: Sequence[Item], now: Sequence[Item]) -> list[str]:
    """Return the names of the files that are new, gone, or others."""
    before, after = (Counter(it.identity for it in items) for items in (locked, now))
    return list(
        dict.fromkeys(
            it.name
            for it in (*locked, *now)
            if before[it.identity] != after[it.identity]
        )
    )
