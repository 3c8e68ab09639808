"""Faults of the host's clock, which libfaketime shows to the run and its guests."""

from pathlib import Path

from tests.faults.fault import Chance, Fault, Struck
from tests.faults.running import Running
from tests.faults.world import World

# Of Debian's package libfaketime.
_LIBRARIES = "/usr/lib"
_LIBRARY = "*/faketime/libfaketimeMT.so.1"
_JUMPS = ("+1h", "-1h", "+400d", "-400d", "-20y", "+10y")


def _jump(world: World, chance: Chance) -> Struck:
    clock, jump = world.folder / "clock", chance.random.choice(_JUMPS)
    clock.write_text("+0")
    (library, *_) = sorted(Path(_LIBRARIES).glob(_LIBRARY))
    running = Running(
        world,
        LD_PRELOAD=str(library),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    running.wait(chance.moment())
    phase = running.phase()
    clock.write_text(jump)
    return Struck(how=jump, phase=phase, ended=running.end())


FAULTS = (Fault(name="the clock jumps", put=_jump, loses=False),)
