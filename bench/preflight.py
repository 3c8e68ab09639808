"""Predictions: of one kernel, of a thousand, and beside bpftool on the same files."""

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.mutations import PLAIN, Mutator
from runner import matrix
from runner.artifacts.btf import minimal
from runner.artifacts.cache import Cache
from runner.errors import RunnerError
from runner.preflight import check, targets
from runner.preflight.check import Checker, Job
from runner.preflight.targets import Source
from runner.session.host import ROOT

# Of about fifty relocations.
_OBJECT = "suites/task/task.bpf.c"
_SEED = 1


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured."""

    # A compiled object, and a kernel's raw BTF.
    object: Path
    btf: Path


def subject(kernel: str) -> Subject:
    """Return an object and a kernel. Raises RunnerError when it is not in the cache."""
    cache = Cache()
    rows = [it for it in matrix.load(ROOT / "matrix.yaml").kernels if it.id == kernel]
    sources = targets.of_kernels(rows, cache)
    if not sources:
        raise RunnerError(f"no BTF of {kernel} in the cache")
    (path,) = minimal.objects([ROOT / _OBJECT], cache)
    return Subject(object=path, btf=sources[0].path)


def one(of: Subject) -> tuple[float, float]:
    """Return milliseconds of a prediction: never made before, and from the index."""
    with tempfile.TemporaryDirectory() as folder:
        job = Job(objects=(of.object,), index=Path(folder), loader="libbpf")
        source = Source(name="x", path=of.btf, version=None)
        times = []
        for _ in range(2):
            with Checker(job) as checker:
                started = time.perf_counter()
                if checker.check(source).error:
                    raise RunnerError("the kernel can't be predicted")
                times.append(1000 * (time.perf_counter() - started))
    return times[0], times[1]


def bpftool(of: Subject) -> float:
    """Return milliseconds of `bpftool gen min_core_btf` on the same files."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["/usr/sbin/bpftool", "gen", "min_core_btf"]
        words += [str(of.btf), f"{folder}/min.btf", str(of.object)]
        started = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True)
        return 1000 * (time.perf_counter() - started)


@dataclass(frozen=True, kw_only=True)
class Many:
    """A command over many kernels."""

    # Seconds.
    cold: float
    warm: float
    # MiB, of all processes together.
    peak: float


def many(of: Subject, count: int) -> Many:
    """Check an object against kernels that differ, by the command, twice."""
    with tempfile.TemporaryDirectory() as folder, _kernels(of, count) as kernels:
        cold, warm = (_command(of, kernels, Path(folder)) for _ in range(2))
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    # Each worker has an engine beside it.
    return Many(cold=cold, warm=warm, peak=2 * check.processors() * children)


@contextmanager
def _kernels(of: Subject, count: int) -> Iterator[Path]:
    """Give a folder of kernels, each with a member renamed, moved or resized."""
    dice, mutator = random.Random(_SEED), Mutator(of.btf.read_bytes())
    members = mutator.all_members()
    with tempfile.TemporaryDirectory() as folder:
        made = 0
        while made < count:
            mutation = mutator.mutate(dice.choice(members), dice.choice(PLAIN), dice)
            if mutation is not None:
                (Path(folder) / f"6.1.{made}.btf").write_bytes(mutation.data)
                made += 1
        yield Path(folder)


def _command(of: Subject, kernels: Path, cache: Path) -> float:
    words = [sys.executable, "-m", "runner", "check", str(of.object)]
    words += ["--btf", str(kernels)]
    started = time.perf_counter()
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, env={"XDG_CACHE_HOME": str(cache)}
    )
    if done.returncode not in (0, 1):
        raise RunnerError(f"check ended with {done.returncode}", hint=str(done.stderr))
    return time.perf_counter() - started
