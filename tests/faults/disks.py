"""Faults of what a run reads and writes: full disks, damaged files, other owners."""

import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

from runner.errors import ExitStatus
from tests.faults.fault import Chance, Fault, Struck, at_a_moment, before
from tests.faults.running import Running
from tests.faults.world import Disk, World

_KILOBYTES = (0, 4, 16, 64, 256, 1024, 4096)
_NOBODY = 65534


def _full(disk: Disk) -> Callable[[Running, Chance], str]:
    def act(running: Running, chance: Chance) -> str:
        kilobytes = chance.random.choice(_KILOBYTES)
        running.world.fill(disk, kilobytes)
        return f"{kilobytes} KiB are left"

    return act


def _truncate(path: Path, chance: random.Random) -> str:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(chance.randrange(size) if size else 0)
    return "truncated"


def _flip(path: Path, chance: random.Random) -> str:
    size = path.stat().st_size
    if not size:
        return "empty, left alone"
    with path.open("r+b") as file:
        for _ in range(chance.choice([1, 1, 8])):
            where = chance.randrange(size)
            file.seek(where)
            byte = file.read(1)[0]
            file.seek(where)
            file.write(bytes([byte ^ 1 << chance.randrange(8)]))
    return "bits flipped"


def _remove(path: Path, chance: random.Random) -> str:
    path.unlink()
    # In an overlay, what lies below is gone only with a mark in its place.
    os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
    return "removed"


def _link(path: Path, chance: random.Random) -> str:
    path.unlink()
    path.symlink_to(chance.choice(["/etc/passwd", "/nowhere", "/dev/zero", "."]))
    return f"a link to {os.readlink(path)}"


def _folder(path: Path, chance: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return "a folder"


def _pipe(path: Path, chance: random.Random) -> str:
    path.unlink()
    os.mkfifo(path, 0o600)
    return "a pipe"


def _owner(path: Path, chance: random.Random) -> str:
    os.chown(path, _NOBODY, _NOBODY)
    return "of another user"


def _open_to_all(path: Path, chance: random.Random) -> str:
    path.chmod(0o666)
    return "writable by everybody"


_DAMAGES = (_truncate, _flip, _remove, _link, _folder, _pipe, _owner, _open_to_all)


def _damage(world: World, chance: Chance) -> str:
    """Damage a file of the cache, of a kind and in a way by chance."""
    by_kind: dict[str, list[Path]] = {}
    for name in world.cached():
        by_kind.setdefault(name.parts[0], []).append(name)
    kind = chance.random.choice(sorted(by_kind))
    name = chance.random.choice(by_kind[kind])
    damage = chance.random.choice(_DAMAGES)
    return f"{name}: {damage(world.of_cache(name), chance.random)}"


def _damage_now(running: Running, chance: Chance) -> str:
    # Of an overlay in use only what the run itself wrote may change; a file of the
    # layers below may not.
    found = sorted(
        path
        for path in running.world.changed.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    if not found:
        return "nothing there"
    path = chance.random.choice(found)
    try:
        done = chance.random.choice((_truncate, _flip))(path, chance.random)
    except OSError:
        return "too late"
    return f"{path.relative_to(running.world.changed)}: {done}"


def _same_reports(world: World, chance: Chance) -> Struck:
    """Start a second run that wants the reports of the first."""
    running = Running(world)
    running.wait(chance.moment())
    phase = running.phase()
    other = Running(world).end()
    # The first may be over before the second claims the folder.
    right = other.status in (ExitStatus.USAGE, ExitStatus.INCOMPATIBLE)
    return Struck(
        how=f"the other ended with {other.status}",
        phase=phase,
        ended=running.end(),
        wrong=() if right else (f"the other run: {other.status}, {other.output}",),
    )


def _same_cache(world: World, chance: Chance) -> Struck:
    """Start a second run beside the first, with reports of its own."""
    running = Running(world)
    running.wait(chance.moment() / 2)
    phase = running.phase()
    reports = world.reports / "other"
    other, ended = Running(world, reports=reports).end(), running.end()
    right = other.status == ended.status
    return Struck(
        how=f"the other ended with {other.status}",
        phase=phase,
        ended=ended,
        wrong=() if right else (f"the other run: {other.status}, {other.output}",),
    )


FAULTS = (
    at_a_moment("the reports' disk is full", _full("reports")),
    at_a_moment("the temporary disk is full", _full("temporary")),
    at_a_moment("the cache's disk is full", _full("cached")),
    before("a file of the cache is damaged", _damage),
    at_a_moment("a file of the cache is damaged meanwhile", _damage_now),
    Fault(name="a second run wants the same reports", put=_same_reports),
    Fault(name="a second run on the same cache", put=_same_cache, loses=False),
)
