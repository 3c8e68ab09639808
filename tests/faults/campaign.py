"""A campaign: runs without a fault, to compare with, and runs with one each."""

import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.errors import ExitStatus, RunnerError
from runner.files.cache import Cache
from runner.results import RunResults
from tests.faults import clocks, disks, guests, inputs, judge, processes, registries
from tests.faults.fault import Chance
from tests.faults.judge import Verdicts
from tests.faults.running import Ended, Running
from tests.faults.suite import suite
from tests.faults.table import Made, Row, row
from tests.faults.world import World, world

FAULTS = (
    *processes.FAULTS,
    *disks.FAULTS,
    *clocks.FAULTS,
    *inputs.FAULTS,
    *guests.FAULTS,
    *registries.FAULTS,
)

# One case fails on purpose: a run that calls it right would be wrong.
_STATUS = ExitStatus.INCOMPATIBLE


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """A suite, and what a run of it without a fault says."""

    suite: Path
    caches: tuple[Path, ...]
    verdicts: Verdicts
    # What it takes on a warm cache.
    seconds: float


def undisturbed(folder: Path, *, with_test: bool) -> Undisturbed:
    """Run a suite twice without a fault: to fill the cache, and to be timed."""
    own = folder / ("tests" if with_test else "cases")
    own.mkdir()
    made = suite(own, with_test=with_test)
    filled = own / "filled"
    shared = Cache().root
    # Of a machine where nothing ran yet.
    shared.mkdir(parents=True, exist_ok=True, mode=0o700)
    caches: tuple[Path, ...] = (shared,)
    with world(own / "world", made, caches) as first:
        _right(first)
        # cp knows the marks of what was removed from the layers below.
        subprocess.run(["cp", "-a", str(first.changed), str(filled)], check=True)
    caches = (filled, *caches)
    with world(own / "world", made, caches) as second:
        ended, results = _right(second)
    return Undisturbed(
        suite=made,
        caches=caches,
        verdicts=judge.verdicts(results),
        seconds=ended.seconds,
    )


def _right(made: World) -> tuple[Ended, RunResults]:
    """Return a run without a fault, which must end as it should."""
    ended, results = Running(made).end(), judge.read(made.reports)
    if not isinstance(results, RunResults) or ended.status != _STATUS or ended.left:
        raise RunnerError(f"a run without a fault: {ended.status}\n{ended.output}")
    if made.written():
        raise RunnerError(f"a run without a fault wrote {made.written()}")
    return ended, results


def one(folder: Path, made: Made, by: Sequence[Undisturbed]) -> Row:
    """Run one with a fault, and one after it without.

    Each run's chance is its own, so that one can be had again without the rest.
    """
    chance = random.Random(f"{made.seed}.{made.number}")
    (fault,) = [it for it in FAULTS if it.name == made.fault]
    right = chance.choice(by)
    with world(folder, right.suite, right.caches) as place:
        struck = fault.put(place, Chance(random=chance, seconds=right.seconds))
        judged = judge.judge(fault, struck, place, right.verdicts)
        place.restore(right.suite)
        wrong = judge.judge_next(Running(place).end(), place, right.verdicts)
    return row(made, struck, replace(judged, wrong=(*judged.wrong, *wrong)))
