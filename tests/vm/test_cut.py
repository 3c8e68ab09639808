"""A run that is cut at any moment, by anything, never looks like one that passed.

CUT_SEEDS says how many runs there are; a seed always gives the same way to end one.
"""

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import CaseKey, Outcome, RunResults
from tests.faults import readers
from tests.faults.suite import suite
from tests.vm import faulty
from tests.vm.conftest import ROOT, guests
from tests.vm.test_ends import eventually

pytestmark = pytest.mark.vm

SEEDS = int(os.environ.get("CUT_SEEDS", "20"))
KERNELS = "6.1,6.12"

# Takes a source of chance, a suite and a folder for reports; says how it ended the
# run, its exit status, and its standard error.
Way = Callable[[random.Random, Path, Path], tuple[str, int, str]]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A run that was cut."""

    how: str
    status: int
    errors: str
    reports: Path


def words(suite: Path, reports: Path) -> list[str]:
    return [
        *("--kernels", KERNELS, "--suite", str(suite), "--reports", str(reports)),
        *("-n", "2"),
    ]


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, RunResults]]:
    """A suite, and what an undisturbed run finds: by threads, and by processes."""
    found = []
    for with_test in (False, True):
        folder = tmp_path_factory.mktemp("whole")
        made = suite(folder, with_test=with_test)
        done = subprocess.run(
            [sys.executable, "-m", "runner", *words(made, folder / "r")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        found.append((made, resultsfile.read(folder / "r/results.json")))
    return found


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    folder.mkdir()
    size = f"size={kilobytes}k"
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True
    )
    try:
        yield
    finally:
        # What was written is kept, for the readers.
        kept = folder.with_name("kept")
        shutil.copytree(folder, kept)
        subprocess.run(["umount", str(folder)], check=True)
        shutil.copytree(kept, folder, dirs_exist_ok=True)


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True)
    return [int(word) for word in found.stdout.split()]


def cut(chance: random.Random, ways: Sequence[Way], suite: Path, folder: Path) -> Cut:
    """Start a run, and end it in one of some ways."""
    reports = folder / "r"
    how, status, errors = chance.choice(ways)(chance, suite, reports)
    return Cut(how=how, status=status, errors=errors, reports=reports)


def _start(arguments: list[str], prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start a program, and wait until signals find it, not Python alone."""
    process = subprocess.Popen(
        [
            *prefix,
            *("env", "--default-signal=HUP,INT,TERM"),
            *(sys.executable, "-m", *arguments),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not _catches(process.pid, signal.SIGTERM):
        time.sleep(0.01)
    return process


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal, by /proc/PID/status."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (it for it in status.splitlines() if it.startswith("SigCgt:"))
    return bool(int(mask.split()[1], 16) & 1 << (number - 1))


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=240)
    return process.returncode, errors


def _by_signal(
    chance: random.Random, suite: Path, reports: Path
) -> tuple[str, int, str]:
    number = chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    times, after = chance.choice([1, 2]), chance.uniform(0.5, 8)
    process = _start(["runner", *words(suite, reports)])
    time.sleep(after)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.7)
    return f"{number.name} × {times} after {after:.1f} s", *_end(process)  # noqa: RUF001


def _by_kill(chance: random.Random, suite: Path, reports: Path) -> tuple[str, int, str]:
    who, after = chance.choice(["runner", "child", "guest"]), chance.uniform(1, 8)
    process = _start(["runner", *words(suite, reports)])
    time.sleep(after)
    victims = {
        "runner": [process.pid],
        "child": children(process.pid),
        "guest": sorted(guests(reports)),
    }[who]
    if victims:
        os.kill(chance.choice(victims), signal.SIGKILL)
    return f"SIGKILL of {who} after {after:.1f} s", *_end(process)


def _by_fault(
    chance: random.Random, suite: Path, reports: Path
) -> tuple[str, int, str]:
    place, call = chance.choice(faulty.PLACES), chance.choice([1, 1, 2, 3, 5])
    error = chance.choice(sorted(faulty.ERRORS))
    fault = f"{place}@{call}={error}"
    process = _start(["tests.vm.faulty", fault, "--", *words(suite, reports)])
    return fault, *_end(process)


def _by_disk(chance: random.Random, suite: Path, reports: Path) -> tuple[str, int, str]:
    kilobytes = chance.choice([4, 8, 16, 32, 64, 128, 256])
    with small_disk(reports, kilobytes):
        process = _start(["runner", *words(suite, reports)])
        return f"a disk of {kilobytes} KiB", *_end(process)


def memory_group() -> Path | None:
    """Return a new control group that limits memory, or None without permission."""
    own = dict(
        line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().split()
    )
    top = Path("/sys/fs/cgroup")
    group = top / ("memory" + own["memory"] if "memory" in own else own.get("", "")[1:])
    group /= f"test-cut-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        return None
    if _limit_of(group).exists():
        return group
    group.rmdir()
    return None


def _limit_of(group: Path) -> Path:
    names = ("memory.max", "memory.limit_in_bytes")
    return next((it for it in map(group.joinpath, names) if it.exists()), group / "no")


def _by_group(
    chance: random.Random, suite: Path, reports: Path
) -> tuple[str, int, str]:
    """Let the kernel kill whichever process of the run takes most."""
    megabytes, group = chance.randint(40, 500), memory_group()
    if group is None:
        pytest.skip("needs permission to make a control group")
    try:
        _limit_of(group).write_text(str(megabytes << 20))
        enter = ["sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh"]
        process = _start(["runner", *words(suite, reports)], enter)
        return f"a group of {megabytes} MiB", *_end(process)
    finally:
        # Guests die with the runner, a little later.
        eventually(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def _by_limit(
    chance: random.Random, suite: Path, reports: Path
) -> tuple[str, int, str]:
    """Let every request for more memory fail, from some moment on."""
    after, more = chance.uniform(0, 8), chance.choice([0, 1, 4, 16, 64])
    process = _start(["runner", *words(suite, reports)])
    time.sleep(after)
    if process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        (size,) = re.findall(r"VmSize:\s+(\d+) kB", status)
        limit = (int(size) << 10) + (more << 20)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, limit))
    return f"{more} MiB more after {after:.1f} s", *_end(process)


def outcomes(results: RunResults) -> dict[CaseKey, Outcome]:
    return {it.key: it.outcome for it in results.cases}


WAYS = [_by_signal, _by_signal, _by_fault, _by_fault, _by_fault, _by_kill, _by_disk]
# The kernel kills a process, or a library that is not Python ends it.
KILLED = (-signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a small disk")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_reader_says_incomplete_or_the_same(
    seed: int, wholes: list[tuple[Path, RunResults]], tmp_path: Path
) -> None:
    made, undisturbed = wholes[seed % len(wholes)]

    found = cut(random.Random(seed), WAYS, made, tmp_path)

    assert found.status in (1, 3, 130, 143, -signal.SIGKILL), found.errors
    _hold(found, undisturbed, f"seed {seed}")


@pytest.mark.parametrize("seed", range(max(2, SEEDS // 4)))
@pytest.mark.parametrize("way", [_by_group, _by_limit])
def test_so_does_a_run_that_has_no_memory(
    way: Way, seed: int, wholes: list[tuple[Path, RunResults]], tmp_path: Path
) -> None:
    made, undisturbed = wholes[seed % len(wholes)]

    found = cut(random.Random(seed), [way], made, tmp_path)

    assert found.status in (1, 3, *KILLED), found.errors
    _hold(found, undisturbed, f"seed {seed}")


def _hold(found: Cut, undisturbed: RunResults, seed: str) -> None:
    """Hold what a run left behind against the undisturbed run."""
    says = f"{seed}: {found.how}: exit {found.status}\n{found.errors}"
    # Without memory, Python and libraries print what they like from their threads.
    has_no_memory = "MiB more" in found.how
    assert has_no_memory or "Traceback" not in found.errors, says
    if has_no_memory or found.status < 0:
        # They die with the runner, a little later.
        eventually(lambda: not guests(found.reports), 10)
    assert not guests(found.reports), says
    left = {it.name for it in found.reports.rglob("*") if it.name.startswith(".")}
    if found.status > 0:
        assert left <= {".gitignore"}, says
    path = found.reports / "results.json"
    results = resultsfile.read(path) if path.exists() else None
    assert not list(readers.of_files(found.reports)), says
    if results is None:
        assert found.status != 1, says
        return
    _hold_readers(results, undisturbed, says)


def _hold_readers(results: RunResults, undisturbed: RunResults, says: str) -> None:
    """Hold every reader of results.json against the undisturbed run."""
    right, seen = outcomes(undisturbed), outcomes(results)
    for key, outcome in seen.items():
        # A guest or process that was killed is no word about the object.
        assert outcome in (right[key], Outcome.ERROR), f"{key}\n{says}"
    if results.complete:
        assert seen.keys() == right.keys(), says
    assert not list(readers.of_results(results)), says
