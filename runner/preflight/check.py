"""Check objects against kernels: all predictions of a command."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from runner.errors import RunnerError
from runner.preflight import targets
from runner.preflight.bpfobject import BpfObject
from runner.preflight.engine import Engine
from runner.preflight.errors import EngineError
from runner.preflight.model import Prediction
from runner.preflight.predict import Subject, predict
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
    objects: Sequence[Path], sources: Sequence[Source], workers: int = 1
) -> Iterator[Result]:
    """Yield what becomes of objects on kernels, in the order of the kernels.

    Raises RunnerError for an object that can't be used.
    """
    workers = min(workers, max(1, len(sources) // _WORTH))
    paths = tuple(objects)
    if workers == 1:
        checker = Checker(paths)
        try:
            yield from map(checker.check, sources)
        finally:
            checker.close()
        return
    # Threads would share one interpreter; libbpf is in processes of its own either way.
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        yield from pool.map(
            _check, [paths] * len(sources), sources, chunksize=_WORTH // 2
        )


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


class Checker:
    """Objects in an engine, for one kernel after the other."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read objects. Raises RunnerError for one that can't be used."""
        self._items = [BpfObject(path.read_bytes(), path) for path in paths]
        self._start()

    def check(self, source: Source) -> Result:
        """Return what becomes of the objects on a kernel."""
        try:
            target = targets.load(source)
            self._engine.load_target(target.btf, target.modules)
            return Result(
                source=source,
                predictions=tuple(
                    predict(subject, target, self._engine) for subject in self._subjects
                ),
            )
        except EngineError as error:
            # It forgot the objects.
            self._engine.close()
            self._start()
            return Result(source=source, predictions=(), error=error.message)
        except RunnerError as error:
            return Result(source=source, predictions=(), error=error.message)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def _start(self) -> None:
        self._engine = Engine()
        self._subjects = [Subject(it, self._engine) for it in self._items]


@cache
def _checker(paths: tuple[Path, ...]) -> Checker:
    return Checker(paths)


def _check(paths: tuple[Path, ...], source: Source) -> Result:
    return _checker(paths).check(source)
