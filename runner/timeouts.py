"""How long the runner waits for guests: one table, and one factor for all of it."""

import argparse
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.deadline import Deadline

_LOADAVG = Path("/proc/loadavg")

# Seconds that a bare boot may take, from QEMU's start to the agent's first answer, on a
# machine that counts as fast enough for the table as it is. Linux 6.1 takes 2.5 s
# without KVM on the two processors that the table was made on; two boot at once there.
USUAL_BOOT = 5.0

# The factor that a slow machine gives itself at most: a guest that hangs must be
# noticed one day.
MOST_BY_ITSELF = 20.0

# What --timeout-scale and --boot-timeout take.
LEAST_SCALE, MOST_SCALE = 0.1, 1000.0
LEAST_SECONDS, MOST_SECONDS = 1.0, 86400.0

SCALE_OPTION = "--timeout-scale"


@dataclass(frozen=True, kw_only=True)
class Timeout:
    """How long one kind of event may take, on a machine of usual speed."""

    name: str
    seconds: float
    why: str
    # What a user raises it with.
    option: str = SCALE_OPTION


# In the order of a guest's life.

QEMU_START = Timeout(
    name="QEMU's start",
    seconds=10.0,
    why="QEMU opens its monitor before it runs the guest, in 0.1 s",
)
QEMU_ANSWER = Timeout(
    name="QEMU's answer",
    seconds=5.0,
    why="the monitor does not wait for the guest",
)
BOOT = Timeout(
    name="boot",
    seconds=60.0,
    why="from QEMU's start to the agent's first answer; old kernels take 10 s",
    option="--boot-timeout",
)
NETWORK = Timeout(
    name="the guest's network",
    seconds=5.0,
    why="the last line that images/rc prints; if the guest's disk is full, it can't "
    "print, so the runner then tries to log in anyway",
)
SSH_BANNER = Timeout(
    name="SSH banner",
    seconds=1.0,
    why="one of many attempts: TCP repeats a lost packet only after seconds, and a "
    "new connection is faster",
)
SSH_CHANNEL = Timeout(
    name="SSH channel",
    seconds=10.0,
    why="the SSH server starts the agent or a shell",
)
SILENCE = Timeout(
    name="silence",
    seconds=20.0,
    why="a guest that says nothing for so long is asked whether it lives, however long "
    "its answer may take",
)
ALIVE = Timeout(
    name="sign of life",
    seconds=30.0,
    why="its SSH server answers at once; a processor that is not free for 20 s is a "
    "soft lockup",
)
SEND = Timeout(
    name="send",
    seconds=60.0,
    why="a megabyte goes into the guest",
)
SETTLE = Timeout(
    name="settle",
    seconds=60.0,
    why="the guest fills its free memory with zeros before it is saved",
)
HANG_UP = Timeout(
    name="hang up",
    seconds=10.0,
    why="both sides close the SSH connection before the guest is saved",
)
IDLE = Timeout(
    name="idle",
    seconds=2.0,
    why="a guest is saved even if it is still busy after this time",
)
SAVE = Timeout(
    name="save",
    seconds=60.0,
    why="QEMU writes the state of a guest's devices and the runner packs its memory",
)
RESTORE = Timeout(
    name="restore",
    seconds=20.0,
    why="the same from a snapshot, which takes 0.3 s; booting is faster than waiting",
)
ANSWER = Timeout(
    name="answer",
    seconds=20.0,
    why="the agent makes a few system calls: attach, fork, close, read a file of /proc",
)
TRANSFER = Timeout(
    name="transfer",
    seconds=300.0,
    why="a file is copied into the guest; 0.3 MB per second are usual on a loaded "
    "machine without KVM",
)
OPEN = Timeout(
    name="open",
    seconds=60.0,
    why="an object is copied into the guest and libbpf reads it",
)
LOAD = Timeout(
    name="load",
    seconds=300.0,
    why="libbpf relocates an object and the verifier walks it",
)
TRIGGER = Timeout(
    name="trigger",
    seconds=120.0,
    why="a million system calls without KVM",
)
READ = Timeout(
    name="read",
    seconds=60.0,
    why="all rows of a map, or all instructions of a program",
)
PROBES = Timeout(
    name="probes",
    seconds=60.0,
    why="a kernel that is booted for the first time is asked what it has",
)
LOOK = Timeout(
    name="look",
    seconds=30.0,
    why="a program in the guest prints something: bpftool, cat, the command of a truth",
)
EXEC = Timeout(
    name="exec",
    seconds=300.0,
    why="a program or test of yours, if you set no other time",
    option="--timeout of exec, or `timeout` in suite.yaml",
)
KILL = Timeout(
    name="kill",
    seconds=15.0,
    why="the time that an answer may take in addition to its command; the agent "
    "waits 5 s until a killed command is gone",
)
QEMU_EXIT = Timeout(
    name="QEMU's exit",
    seconds=2.0,
    why="QEMU notices a guest's reset at once; the host's scheduler takes the rest",
)

TABLE = tuple(it for it in vars().values() if isinstance(it, Timeout))


def load_now() -> float:
    """Return how many runnable threads there are for each processor."""
    processors = len(os.sched_getaffinity(0))
    running = 0.0
    with suppress(OSError, ValueError, IndexError):
        # "0.61 1.20 0.62 1/100 8286": the average lags behind by up to a minute.
        words = _LOADAVG.read_text().split()
        running = max(float(words[0]), float(words[3].partition("/")[0]))
    return running / processors


class Pace:
    """How much longer than usual this machine takes, which every timeout is scaled by.

    Several threads may use one.
    """

    def __init__(
        self, given: float | None = None, load: Callable[[], float] = load_now
    ) -> None:
        """Start at 1, or keep to what the user gave."""
        self._given = given
        self._load = load
        # Seconds, of the slowest boot that this machine has shown.
        self._boot = 0.0
        # The largest scale that anything was given.
        self.most = 1.0 if given is None else given

    def saw_boot(self, seconds: float) -> None:
        """Learn how long a bare boot took."""
        self._boot = max(self._boot, seconds)

    @property
    def scale(self) -> float:
        """What to multiply a timeout by now: by the slowest boot, and by the load."""
        if self._given is not None:
            return self._given
        slowness = max(1.0, self._boot / USUAL_BOOT, self._load())
        found = round(min(slowness, MOST_BY_ITSELF), 1)
        self.most = max(self.most, found)
        return found

    def seconds(self, timeout: Timeout) -> float:
        """Return how long to wait now."""
        return timeout.seconds * self.scale

    def deadline(self, timeout: Timeout) -> Deadline:
        """Return when waiting ends that begins now."""
        return Deadline.after(self.seconds(timeout))


# Of who knows nothing of the machine: timeouts are what the table says.
USUAL = Pace(1.0)


def scale(text: str) -> float:
    """Read --timeout-scale. Raises ArgumentTypeError that names the range."""
    return _within(text, LEAST_SCALE, MOST_SCALE, "a number")


def seconds(text: str) -> float:
    """Read an option's time to wait. Raises ArgumentTypeError that names the range."""
    return _within(text, LEAST_SECONDS, MOST_SECONDS, "a number of seconds")


def _within(text: str, least: float, most: float, what: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    # Not a number is not in any range.
    if not least <= found <= most:
        raise argparse.ArgumentTypeError(
            f"{text}: must be {what} from {least:g} to {most:g}"
        )
    return found
