"""Check objects against kernels: all predictions of a command."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Self

from runner.errors import RunnerError
from runner.preflight import targets
from runner.preflight.bpfobject import BpfObject
from runner.preflight.engine import Engine
from runner.preflight.errors import EngineError
from runner.preflight.index import Index, fingerprint, key_of
from runner.preflight.model import Prediction
from runner.preflight.predict import Loader, Subject, predict
from runner.preflight.targets import Source

# Fewer kernels than this a process are not worth starting one.
_WORTH = 8


@dataclass(frozen=True, kw_only=True)
class Result:
    """A prediction for one kernel, or why there is none."""

    source: Source
    # In the order of the objects; empty when the BTF can't be used.
    predictions: tuple[Prediction, ...]
    error: str = ""


def check(
    objects: Sequence[Path],
    sources: Sequence[Source],
    index: Path,
    *,
    workers: int = 1,
    loader: Loader = "libbpf",
) -> Iterator[Result]:
    """Yield what becomes of objects on kernels, in the order of the kernels.

    `index` is the folder of what was predicted before. Raises RunnerError for an object
    that can't be used.
    """
    workers = min(workers, max(1, len(sources) // _WORTH))
    job = Job(objects=tuple(objects), index=index, loader=loader)
    Index(index).sweep()
    if workers == 1:
        with Checker(job) as checker:
            yield from map(checker.check, sources)
        return
    # Threads would share one interpreter; libbpf is in processes of its own either way.
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        yield from pool.map(
            partial(_check, job), sources, chunksize=max(1, len(sources) // 64)
        )


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is the same for all kernels."""

    objects: tuple[Path, ...]
    index: Path
    loader: Loader
    # Whether programs are loaded, where the object itself does not tell.
    load: tuple[tuple[str, bool], ...] = ()


class Checker:
    """Objects for one kernel after the other; the engine starts when it is needed."""

    def __init__(self, job: Job) -> None:
        """Read objects. Raises RunnerError for one that can't be used."""
        self._job = job
        self._index = Index(job.index)
        self._data = [path.read_bytes() for path in job.objects]
        self._keys = [
            key_of(
                hashlib.sha256(data).hexdigest(), fingerprint(), job.loader, job.load
            )
            for data in self._data
        ]
        self._engine: Engine | None = None
        self._subjects: list[Subject] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def check(self, source: Source) -> Result:
        """Return what becomes of the objects on a kernel.

        Raises RunnerError for an object that can't be used.
        """
        try:
            place = self._place(source)
        except OSError as error:
            return _unusable(source, f"{source.path}: {error.strerror}")
        keys = [key_of(key, *place[1:], source.version) for key in self._keys]
        known = [self._index.find(place[0], key) for key in keys]
        found = tuple(it for it in known if it is not None)
        if len(found) == len(keys):
            return Result(source=source, predictions=found)
        engine = self._ready()
        try:
            target = targets.load(source, place)
            engine.load_target(target.btf, target.modules)
            found = tuple(
                predict(subject, target, engine, self._job.loader)
                for subject in self._subjects
            )
        except EngineError as error:
            # It is gone, and with it the objects.
            self._close()
            return _unusable(source, error.message)
        except RunnerError as error:
            return _unusable(source, error.message)
        for key, prediction in zip(keys, found, strict=True):
            self._index.keep(place[0], key, prediction)
        return Result(source=source, predictions=found)

    def _place(self, source: Source) -> list[str]:
        return [self._index.sha256(it) for it in (source.path, *source.modules)]

    def _ready(self) -> Engine:
        if self._engine is None:
            self._engine = Engine()
            self._subjects = [
                Subject(BpfObject(data, path), self._engine, dict(self._job.load))
                for data, path in zip(self._data, self._job.objects, strict=True)
            ]
        return self._engine

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.close()
        self._engine = None


def _unusable(source: Source, error: str) -> Result:
    return Result(source=source, predictions=(), error=error)


@cache
def _checker(job: Job) -> Checker:
    # It ends with its process, and so does its engine.
    return Checker(job)


def _check(job: Job, source: Source) -> Result:
    return _checker(job).check(source)
