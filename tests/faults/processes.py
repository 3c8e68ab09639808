"""Faults of the run's processes: signals, memory that ends, faults of its own code."""

import contextlib
import os
import re
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.errors import RunnerError
from tests.faults.fault import Chance, Fault, Struck, at_a_moment
from tests.faults.running import Running
from tests.faults.world import World
from tests.vm import faulty

# What a run says while processes of it stand still is waited for this long.
_STOPPED = 3.0
# MiB that a run may still get when its memory ends.
_MORE = (0, 1, 4, 16, 64)
# MiB that a run and its guests may have between them.
_GROUP = (40, 500)


def _signal(running: Running, chance: Chance) -> str:
    number = chance.random.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    times = chance.random.choice([1, 2])
    for _ in range(times):
        running.send(number)
        running.wait(0.7)
    return f"{number.name}{' twice' if times == 2 else ''}"


def _kill_runner(running: Running, chance: Chance) -> str:
    running.send(signal.SIGKILL)
    return "SIGKILL"


def _kill_guest(running: Running, chance: Chance) -> str:
    return _one(running.guests(), chance, signal.SIGKILL)


def _kill_worker(running: Running, chance: Chance) -> str:
    return _one(running.workers(), chance, signal.SIGKILL)


def _stop(victims: Callable[[Running], list[int]]) -> Callable[[Running, Chance], str]:
    def act(running: Running, chance: Chance) -> str:
        found = victims(running)
        if not found:
            return "nobody there"
        victim = chance.random.choice(found)
        _send(victim, signal.SIGSTOP)
        running.wait(chance.random.uniform(0.1, _STOPPED))
        _send(victim, signal.SIGCONT)
        return "SIGSTOP, later SIGCONT"

    return act


def _stop_for_good(running: Running, chance: Chance) -> str:
    return _one(running.guests(), chance, signal.SIGSTOP)


def _limit_memory(running: Running, chance: Chance) -> str:
    more = chance.random.choice(_MORE)
    try:
        status = Path(f"/proc/{running.pid}/status").read_text()
        (size,) = re.findall(r"VmSize:\s+(\d+) kB", status)
        limit = (int(size) << 10) + (more << 20)
        resource.prlimit(running.pid, resource.RLIMIT_AS, (limit, limit))
    except (OSError, ValueError):
        return "too late"
    return f"{more} MiB more"


def _limit_group(world: World, chance: Chance) -> Struck:
    """Let the kernel kill whichever process of the run takes most."""
    megabytes = chance.random.randint(*_GROUP)
    with _memory_group(megabytes) as group:
        enter = ("sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh")
        ended = Running(world, prefix=enter).end()
    return Struck(how=f"{megabytes} MiB", phase="start", ended=ended)


@contextlib.contextmanager
def _memory_group(megabytes: int) -> Iterator[Path]:
    """Make a control group below our own, of version 1 or 2."""
    text = Path("/proc/self/cgroup").read_text()
    own = dict(line.split(":", 2)[1:] for line in text.split())
    top = Path("/sys/fs/cgroup")
    parent = top / ("memory" + own["memory"] if "memory" in own else own[""][1:])
    group = parent / f"faults-{os.getpid()}"
    group.mkdir()
    try:
        names = ("memory.max", "memory.limit_in_bytes")
        found = [it for it in map(group.joinpath, names) if it.exists()]
        if not found:
            raise RunnerError(f"{parent} does not limit the memory of its groups")
        found[0].write_text(str(megabytes << 20))
        yield group
    finally:
        group.rmdir()


def _own_code(world: World, chance: Chance) -> Struck:
    place, call = (
        chance.random.choice(faulty.PLACES),
        chance.random.choice([1, 2, 3, 5]),
    )
    fault = f"{place}@{call}={chance.random.choice(sorted(faulty.ERRORS))}"
    running = Running(world, program=("tests.vm.faulty", fault, "--"))
    return Struck(how=fault, phase="start", ended=running.end())


def _one(victims: list[int], chance: Chance, number: signal.Signals) -> str:
    if not victims:
        return "nobody there"
    _send(chance.random.choice(victims), number)
    return number.name


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


FAULTS = (
    at_a_moment("a signal to the runner", _signal),
    at_a_moment("the runner is killed", _kill_runner),
    at_a_moment("QEMU is killed", _kill_guest),
    at_a_moment("QEMU stands still for a while", _stop(Running.guests)),
    at_a_moment("QEMU stands still for good", _stop_for_good),
    at_a_moment("a worker process is killed", _kill_worker),
    at_a_moment("a worker process stands still for a while", _stop(Running.workers)),
    at_a_moment("no more memory", _limit_memory, noisy=True),
    Fault(name="a group of little memory", put=_limit_group, noisy=True),
    Fault(name="a fault of the runner's own code", put=_own_code),
)
