"""Check objects against kernels: all predictions of a command."""

import gc
import hashlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from multiprocessing.util import Finalize
from pathlib import Path

from runner.bpf.object import patched, read_whole
from runner.errors import RunnerError
from runner.files.cache import key_of
from runner.preflight import targets
from runner.preflight.engine import Engine
from runner.preflight.errors import EngineError, NotFollowedError
from runner.preflight.index import Index, fingerprint, packed, unpacked
from runner.preflight.model import Prediction
from runner.preflight.predict import Loader, PredictedObject, Target, predict, unknown
from runner.preflight.targets import BtfSource
from runner.process.collection import uncollected

# Fewer kernels than this a process are not worth starting one.
_WORTH = 8


@dataclass(frozen=True, kw_only=True)
class Result:
    """A prediction for one kernel, or why there is none."""

    source: BtfSource
    # In the order of the objects; empty when the BTF can't be used.
    predictions: tuple[Prediction, ...] = ()
    error: str = ""


def check(
    objects: Sequence[Path],
    sources: Sequence[BtfSource],
    index: Path,
    *,
    workers: int = 1,
    engine: Path,
    loader: Loader = "libbpf",
    extended: Sequence[Path | None] = (),
) -> Iterator[Result]:
    """Yield what becomes of objects on kernels, in the order of the kernels.

    `index` is the folder of what was predicted before, `engine` the one to ask. Of each
    object `extended` is the one that it extends, if any. Raises RunnerError for an
    object that can't be used.
    """
    job = CheckJob(
        objects=tuple(objects),
        index=index,
        loader=loader,
        engine=engine,
        extended=tuple(extended),
    )
    Index(index).sweep()
    with Checker(job) as checker:
        # What is in the index is sooner read than sent from process to process.
        known = [checker.known(it) for it in sources]
        missing = [it for it, found in zip(sources, known, strict=True) if not found]
        workers = min(workers, max(1, len(missing) // _WORTH))
        if workers > 1:
            fresh = _in_processes(job, missing, workers)
        else:
            fresh = map(checker.check, missing)
        for found in known:
            yield found or next(fresh)


def _in_processes(
    job: "CheckJob", sources: Sequence[BtfSource], workers: int
) -> Iterator[Result]:
    # Threads would share one interpreter; libbpf is in processes of its own either way.
    with ProcessPoolExecutor(
        workers,
        mp_context=get_context("fork"),
        initializer=_start_worker,
        initargs=(job,),
    ) as pool:
        try:
            chunk = max(1, len(sources) // 64)
            chunks = [sources[it : it + chunk] for it in range(0, len(sources), chunk)]
            # Not pool.map(): when it is left, it cancels what a thread of the pool then
            # finds broken, which prints a traceback.
            with _without_interrupts():
                futures = [pool.submit(_check_all, it) for it in chunks]
            for source, (packed, error) in zip(
                sources,
                (it for future in futures for it in future.result()),
                strict=True,
            ):
                predictions = tuple(unpacked(it) for it in packed)
                yield Result(source=source, predictions=predictions, error=error)
        except BaseException:
            # Ctrl-C, or nobody reads on: what is planned is not waited for.
            for worker in active_children():
                worker.terminate()
            raise


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back while processes start: none of them can ignore it yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, kw_only=True)
class CheckJob:
    """What is the same for all kernels."""

    objects: tuple[Path, ...]
    index: Path
    loader: Loader
    # With the libbpf that is asked for.
    engine: Path
    # Whether programs are loaded, where the object itself does not tell.
    load: tuple[tuple[str, bool], ...] = ()
    # What programs attach to in place of what their sections name: "fentry/vfs_read".
    targets: tuple[tuple[str, str], ...] = ()
    # Bytes that global variables begin with, in place of those in the object.
    variables: tuple[tuple[str, bytes], ...] = ()
    # What is set of what an object leaves to its loader: "max_entries of events"; None
    # where nobody knows.
    given: tuple[str, ...] | None = None
    # Maps that are not created.
    not_created: tuple[str, ...] = ()
    # For each object the one that its programs extend, if any; empty for none at all.
    extended: tuple[Path | None, ...] = ()
    # Asked now and then whether to go on.
    wanted: Callable[[], bool] = lambda: True


class Checker(AbstractContextManager["Checker"]):
    """Objects for one kernel after the other; the engine starts when it is needed."""

    def __init__(self, job: CheckJob) -> None:
        """Read objects. Raises RunnerError for one that can't be used."""
        self._job = job
        self._index = Index(job.index)
        self._data = [
            patched(path.read_bytes(), dict(job.variables)) for path in job.objects
        ]
        set_ = job.load, job.targets, job.given, job.not_created
        what = fingerprint(job.engine), job.loader, *set_
        self._extended = [
            None if it is None else read_whole(it.read_bytes(), it)
            for it in job.extended or [None] * len(job.objects)
        ]
        self._keys = [
            key_of(hashlib.sha256(data).hexdigest(), *what, it and it.sha256)
            for data, it in zip(self._data, self._extended, strict=True)
        ]
        self._engine: Engine | None = None
        self._subjects: list[PredictedObject] = []

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self, source: BtfSource) -> Result:
        """Return what becomes of the objects on a kernel.

        Raises RunnerError for an object that can't be used.
        """
        if source.problem:
            return Result(source=source, error=source.problem)
        try:
            place = [self._index.sha256(it) for it in (source.path, *source.modules)]
        except OSError as error:
            return Result(source=source, error=f"{source.path}: {error.strerror}")
        known = self._from_index(source, place)
        if known is not None:
            return known
        with uncollected():
            engine = self._ready()
        try:
            with uncollected():
                target = targets.load(source, place)
                engine.load_target(target.btf, target.modules)
                found = tuple(
                    self._predict(subject, target, engine) for subject in self._subjects
                )
        except EngineError as error:
            # It is gone, and with it the objects.
            self.close()
            return Result(source=source, error=error.message)
        except RunnerError as error:
            return Result(source=source, error=error.message)
        for key, prediction in zip(self._keys_of(source, place), found, strict=True):
            self._index.keep(place[0], key, prediction)
        return Result(source=source, predictions=found)

    def _predict(
        self, subject: PredictedObject, target: Target, engine: Engine
    ) -> Prediction:
        job = self._job
        try:
            return predict(
                subject,
                target,
                engine,
                job.loader,
                given=job.given,
                wanted=job.wanted,
            )
        except NotFollowedError as error:
            # It costs its own prediction, and nobody else's.
            return unknown(subject, target, engine, error.message)

    def known(self, source: BtfSource) -> Result | None:
        """Return what the index has of a kernel whose files it has seen before."""
        if source.problem:
            return None
        place = []
        for path in (source.path, *source.modules):
            sha256 = self._index.known_sha256(path)
            if sha256 is None:
                return None
            place.append(sha256)
        return self._from_index(source, place)

    def _from_index(self, source: BtfSource, place: Sequence[str]) -> Result | None:
        keys = self._keys_of(source, place)
        known = [self._index.find(place[0], key) for key in keys]
        found = tuple(it for it in known if it is not None)
        if len(found) < len(keys):
            return None
        return Result(source=source, predictions=found)

    def _keys_of(self, source: BtfSource, place: Sequence[str]) -> list[str]:
        return [key_of(key, *place[1:], source.known.digest) for key in self._keys]

    def _ready(self) -> Engine:
        if self._engine is None:
            self._engine = Engine(self._job.engine)
            self._subjects = [
                PredictedObject(
                    read_whole(data, path),
                    self._engine,
                    dict(self._job.load),
                    dict(self._job.targets),
                    frozenset(self._job.not_created),
                    extended,
                )
                for data, path, extended in zip(
                    self._data, self._job.objects, self._extended, strict=True
                )
            ]
        return self._engine

    def close(self) -> None:
        """End the engine."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None


# ------------------------------------------------------------------- workers

_worker: Checker | None = None


def _start_worker(job: CheckJob) -> None:
    global _worker
    # Ctrl-C reaches all processes of a terminal; the first one ends these.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = Checker(job)
    # What was there before is never garbage: it is not looked through again and again,
    # nor copied from the parent for that.
    gc.freeze()
    # The engine ends before its worker, which then knows what it took.
    Finalize(None, _worker.close, exitpriority=1)


def _check_all(sources: Sequence[BtfSource]) -> list[tuple[list[bytes], str]]:
    return [_check_packed(it) for it in sources]


def _check_packed(source: BtfSource) -> tuple[list[bytes], str]:
    """Check, and pack predictions as the index does, which is quick to read."""
    assert _worker is not None
    result = _worker.check(source)
    return [packed(it) for it in result.predictions], result.error
