"""Predictions: of one kernel, of a thousand, and next to bpftool on the same files."""

import contextlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from unittest import mock

from runner import libbpf
from runner.bpf.object import read
from runner.errors import RunnerError
from runner.files.cache import Cache
from runner.files.shipped import ROOT
from runner.kernels.btf import minimal
from runner.matrix import matrix
from runner.preflight import predict, targets
from runner.preflight.check import Checker, CheckJob
from runner.preflight.dataflow import Dataflow
from runner.preflight.model import Finding
from runner.preflight.signatures import ComparedArguments
from runner.preflight.targets import BtfSource
from runner.text.progress import progress
from tests.unit.preflight.mutations import PLAIN, Mutator

# Of about fifty relocations.
_OBJECT = "suites/task/task.bpf.c"
# Which traces functions, and reads arguments and structs of theirs.
PROBES = "suites/tracing/probes.bpf.c"
# Unrolled: some ten thousand instructions of one program.
FRAMES = "bench/frames.bpf.c"
_SEED = 1
# Seconds between looks at memory.
_LOOKS = 0.2


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured."""

    # A compiled object, and a kernel's raw BTF.
    object: Path
    btf: Path


def subject(kernel: str, source: str = _OBJECT) -> Subject:
    """Return an object and a kernel. Raises RunnerError when it is not in the cache."""
    cache = Cache()
    rows = [it for it in matrix.load(ROOT / "matrix.yaml").kernels if it.id == kernel]
    sources = targets.of_kernels(rows, cache)
    if not sources:
        raise RunnerError(f"no BTF of {kernel} in the cache")
    (path,) = minimal.objects([ROOT / source], cache)
    return Subject(object=path, btf=sources[0].path)


@dataclass(frozen=True, kw_only=True)
class Time:
    """How long something took, in milliseconds."""

    passed: float
    # Of processors, by all processes together: what others do counts less.
    busy: float


@dataclass(frozen=True, kw_only=True)
class One:
    """A prediction in a process that runs: never made before, and from the index."""

    cold: Time
    warm: float


def one(of: Subject) -> One:
    """Predict one kernel: start an engine, read both files, relocate, judge."""
    with tempfile.TemporaryDirectory() as folder:
        job = _job(of, Path(folder))
        source = BtfSource(name="x", path=of.btf, version=None)
        before = _busy()
        cold = _checked(job, source)
        busy = _busy() - before
        return One(cold=Time(passed=cold, busy=busy), warm=_checked(job, source))


def _job(of: Subject, index: Path) -> CheckJob:
    return CheckJob(
        objects=(of.object,),
        index=index,
        loader="libbpf",
        engine=libbpf.programs(None, Cache(), progress()).engine,
    )


def _checked(job: CheckJob, source: BtfSource) -> float:
    with Checker(job) as checker:
        started = time.perf_counter()
        if checker.check(source).error:
            raise RunnerError("the kernel can't be predicted")
        return 1000 * (time.perf_counter() - started)


def _busy() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * sum(it.ru_utime + it.ru_stime for it in (own, children))


def bpftool(of: Subject) -> Time:
    """Run `bpftool gen min_core_btf` on the same files."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["/usr/sbin/bpftool", "gen", "min_core_btf"]
        words += [str(of.btf), f"{folder}/min.btf", str(of.object)]
        return _run(words, {0}).time


def command(of: Subject) -> Time:
    """Run `check` for one kernel: the whole process, most of which starts Python."""
    with tempfile.TemporaryDirectory() as folder:
        return _command(of, of.btf, Path(folder)).time


@dataclass(frozen=True, kw_only=True)
class Many:
    """The command over many kernels."""

    cold: Time
    warm: Time
    # MiB, of all processes together.
    peak: float


def many(of: Subject, count: int) -> Many:
    """Check an object against kernels that differ, by the command, twice."""
    with tempfile.TemporaryDirectory() as folder, _kernels(of, count) as kernels:
        cold, warm = (_command(of, kernels, Path(folder)) for _ in range(2))
    return Many(cold=cold.time, warm=warm.time, peak=max(cold.peak, warm.peak))


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


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What predictions cost, with what no relocation shows and without."""

    with_them: float
    without: float


def findings(of: Subject, count: int) -> Findings:
    """Check an object against kernels that differ, in this process, in milliseconds.

    Of processors, by this process and its engine together.
    """
    with _kernels(of, count) as kernels:
        sources = targets.of_path(str(kernels))
        with_them = _predicted(of, sources)
        with mock.patch.multiple(
            predict, _beyond_relocation=_nothing_beyond, followed=_nothing_followed
        ):
            without = _predicted(of, sources)
    return Findings(with_them=with_them, without=without)


def _nothing_beyond(*_: object) -> tuple[ComparedArguments, tuple[Finding, ...]]:
    return ComparedArguments(), ()


def _nothing_followed(*_: object, **__: object) -> Dataflow:
    return Dataflow(uses=())


def _predicted(of: Subject, sources: Sequence[BtfSource]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        job = _job(of, Path(folder))
        # Each reads the object anew, as each command does.
        read.cache_clear()
        before = _busy()
        with Checker(job) as checker:
            for source in sources:
                if checker.check(source).error:
                    raise RunnerError(f"{source.name} can't be predicted")
        # With that of the engine, which has ended.
        return _busy() - before


# ------------------------------------------------------------------ processes


@dataclass(frozen=True, kw_only=True)
class _Ran:
    time: Time
    # MiB.
    peak: float


def _command(of: Subject, kernels: Path, cache: Path) -> _Ran:
    words = [sys.executable, "-m", "runner", "check", str(of.object)]
    return _run([*words, "--btf", str(kernels)], {0, 1}, XDG_CACHE_HOME=str(cache))


def _run(words: list[str], good: Container[int], **environment: str) -> _Ran:
    """Run a command. Raises RunnerError for another exit status than the good ones."""
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        with _Watch(process.pid) as watch:
            _, status, usage = os.wait4(process.pid, 0)
        passed = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in good:
            said.seek(0)
            raise RunnerError(
                f"{words[0]} ended with {process.returncode}",
                hint=said.read().decode(errors="replace"),
            )
    busy = usage.ru_utime + usage.ru_stime
    return _Ran(time=Time(passed=1000 * passed, busy=1000 * busy), peak=watch.peak)


class _Watch:
    """Looks at the memory of a session's processes until it is left."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        # MiB.
        self.peak = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_LOOKS):
            self.peak = max(self.peak, _memory(self._session))


def _memory(session: int) -> float:
    """Return MiB of all processes of a session; what they share counts once."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        # They come and go.
        with contextlib.suppress(OSError):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                rows = (process / "smaps_rollup").read_text().splitlines()
                found += sum(int(it.split()[1]) for it in rows if it.startswith("Pss:"))
    return found / 1024
