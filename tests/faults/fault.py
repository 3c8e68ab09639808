"""What a fault is, and the ways in which one is put into a run."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.running import Ended, Phase, Running
from tests.faults.world import World

# Moments are drawn from so much more than an undisturbed run took.
_LONGER = 1.1


@dataclass(frozen=True, kw_only=True)
class Struck:
    """A run with a fault in it, after its end."""

    # What was done, with its numbers: "SIGTERM twice".
    how: str
    phase: Phase
    ended: Ended
    # What was wrong besides: a second run that went astray.
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chance:
    """What a fault's numbers are drawn from."""

    random: random.Random
    # Seconds that an undisturbed run takes here.
    seconds: float

    def moment(self) -> float:
        """Return a moment of a run, in seconds from its start."""
        return self.random.uniform(0, _LONGER * self.seconds)


# Starts a run in a world, with the fault in it, and waits for its end.
Put = Callable[[World, Chance], Struck]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A kind of fault."""

    # "a signal", "QEMU is killed": a row of the table.
    name: str
    put: Put
    # Whether cases may be without a verdict because of it.
    loses: bool = True
    # Whether the run's inputs are others, so that its verdicts may be, too.
    rewrites: bool = False
    # Whether the run may refuse what it is given, before anything boots.
    refused: bool = False
    # Whether libraries may print what they like: they have no memory.
    noisy: bool = False


def at_a_moment(
    name: str,
    act: Callable[[Running, Chance], str],
    *,
    noisy: bool = False,
) -> Fault:
    """Return a fault that strikes a run while it goes on."""

    def put(world: World, chance: Chance) -> Struck:
        running = Running(world)
        running.wait(chance.moment())
        phase = running.phase()
        how = "too late" if phase == "over" else act(running, chance)
        return Struck(how=how, phase=phase, ended=running.end())

    return Fault(name=name, put=put, noisy=noisy)


def before(
    name: str,
    act: Callable[[World, Chance], str],
    *,
    loses: bool = True,
    rewrites: bool = False,
    refused: bool = False,
) -> Fault:
    """Return a fault that is there when a run starts."""

    def put(world: World, chance: Chance) -> Struck:
        how = act(world, chance)
        return Struck(how=how, phase="start", ended=Running(world).end())

    return Fault(name=name, put=put, loses=loses, rewrites=rewrites, refused=refused)
