"""Faults of the host's clock, as a library of ours shows it to a run and its guests."""

import os
import struct
import subprocess
from pathlib import Path

from tests.faults.fault import Chance, Fault, Struck
from tests.faults.running import Running
from tests.faults.world import World

_SOURCE = Path(__file__).with_name("clock.c")
_HOUR = 3600
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY
_JUMPS = (_HOUR, -_HOUR, 400 * _DAY, -400 * _DAY, -20 * _YEAR, 10 * _YEAR)


def _jump(world: World, chance: Chance) -> Struck:
    # Both are read by QEMU, too, which runs as nobody.
    clock, library = world.folder / "clock", world.folder / "clock.so"
    seconds = chance.random.choice(_JUMPS)
    clock.write_bytes(struct.pack("=q", 0))
    words = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror"]
    subprocess.run([*words, "-o", library, _SOURCE], check=True)
    running = Running(world, LD_PRELOAD=str(library), FAULT_CLOCK=str(clock))
    running.wait(chance.moment())
    phase = running.phase()
    with clock.open("r+b") as file:
        os.pwrite(file.fileno(), struct.pack("=q", seconds), 0)
    return Struck(how=f"by {seconds:+} s", phase=phase, ended=running.end())


FAULTS = (Fault(name="the clock jumps", put=_jump, loses=False),)
