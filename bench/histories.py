"""Five hundred nights, made of a real run: what a history is measured with.

Each night has the cases of the real run, with other times. Now and then a package of a
kernel is a newer one, an object changes, a case breaks and is fixed, or is flaky.
"""

import hashlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from runner.reports import resultsfile
from runner.results import (
    CaseKey,
    CaseResult,
    KernelRun,
    Outcome,
    PlannedCase,
    Provenance,
    RunResults,
)

REAL = Path(__file__).parents[1] / "reports/0.2/results.json"
NIGHTS = 500
_FIRST = datetime.fromisoformat("2025-01-01T02:17:00+00:00")
# Nights between two packages of a kernel, and between two changes of an object.
_PACKAGE, _CHANGE = 30, 45


def nights(
    count: int, *, kernels: int | None = None, cases: int | None = None, seed: int = 1
) -> Iterator[RunResults]:
    """Yield runs, one a night; by default with what the real one has.

    With `kernels` and `cases` there are that many: copies of the real ones.
    """
    real = _sized(resultsfile.read(REAL), kernels, cases)
    chance = random.Random(seed)
    flaky = {it.key for it in chance.sample(real.cases, 3)}
    # A case on a kernel → the night on which it is fixed.
    broken: dict[CaseKey, int] = {}
    for night in range(count):
        changed = [
            it
            for n, kernel in enumerate(real.kernels)
            if _package(night, n) != _package(night - 1, n)
            for it in real.cases
            if it.kernel == kernel.id
        ]
        objects = [
            it for it in real.cases if _version(night, it) != _version(night - 1, it)
        ]
        for those in (changed, objects):
            passed = [it for it in those if it.outcome is Outcome.PASSED]
            if night and passed and chance.random() < 0.5:
                broken[chance.choice(passed).key] = night + chance.randint(1, 20)
        yield _night(real, night, chance, flaky, broken)


def _package(night: int, kernel: int) -> int:
    """Return which package of its kernel a night has."""
    return (night + 3 * kernel) // _PACKAGE


def _version(night: int, case: CaseResult) -> int:
    """Return which version of its object a night has."""
    return (night + len(case.suite)) // _CHANGE


def _night(
    real: RunResults,
    night: int,
    chance: random.Random,
    flaky: set[CaseKey],
    broken: dict[CaseKey, int],
) -> RunResults:
    return real.model_copy(
        update={
            "started": (_FIRST + timedelta(days=night)).isoformat(),
            "kernels": tuple(
                _kernel(it, _package(night, n), chance)
                for n, it in enumerate(real.kernels)
            ),
            "cases": tuple(
                _case(
                    it,
                    _version(night, it),
                    chance,
                    fails=broken.get(it.key, -1) > night
                    or (it.key in flaky and chance.random() < 0.05),
                )
                for it in real.cases
            ),
            "provenance": Provenance(
                project="bpf-kernel-matrix",
                commit=_sum("commit", night // 2, length=40),
                branch="main",
                tag=f"v1.{night // 100}" if night % 100 == 50 else "",
            ),
        }
    )


def _kernel(kernel: KernelRun, package: int, chance: random.Random) -> KernelRun:
    return kernel.model_copy(
        update={
            "image": f"{kernel.image}+{package}",
            "image_sha256": _sum(kernel.id, package),
            "btf_sha256": _sum(kernel.id, "btf", package),
            "boots": (round(3 + chance.random(), 2),),
        }
    )


def _case(
    case: CaseResult, version: int, chance: random.Random, *, fails: bool
) -> CaseResult:
    given: dict[str, object] = {
        "duration": round(case.duration * (0.8 + chance.random() / 2), 3),
        "object_sha256": _sum(case.object_path, version),
    }
    if fails and case.outcome is Outcome.PASSED:
        given |= {
            "outcome": Outcome.FAILED,
            "message": "map tasks key 1 field pid: expected 1, observed 0",
            "failure_class": "wrong_value",
        }
    return case.model_copy(update=given)


def _sized(real: RunResults, kernels: int | None, cases: int | None) -> RunResults:
    if kernels is None or cases is None:
        return real
    first = real.kernels[0]
    ids = [f"{4 + n // 20}.{n % 20}" for n in range(kernels)]
    names = [it for it in real.cases if it.kernel == first.id]
    sized = tuple(
        names[n % len(names)].model_copy(
            update={"kernel": id_, "case": f"{names[n % len(names)].case}_{n}"}
        )
        for id_ in ids
        for n in range(cases)
    )
    return RunResults(
        runner=real.runner,
        started=real.started,
        duration=real.duration,
        planned=PlannedCase.of(it.key for it in sized),
        kernels=tuple(
            first.model_copy(update={"id": id_, "release": f"{id_}.0-amd64"})
            for id_ in ids
        ),
        cases=sized,
    )


def _sum(*words: object, length: int = 64) -> str:
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()[:length]


@contextmanager
def written(count: int) -> Iterator[tuple[Path, Path]]:
    """Write nights into a folder that is there for a block; also return a site's."""
    with tempfile.TemporaryDirectory(prefix="bench-history-") as folder:
        write(Path(folder) / "runs", count)
        yield Path(folder) / "runs", Path(folder) / "site"


def made(site: Path, *runs: Path) -> float:
    """Make a site, and return the seconds that it took."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "runner", "history", *map(str, runs), "--out", site],
        check=True,
        capture_output=True,
    )
    return time.monotonic() - began


def write(folder: Path, count: int, **more: int) -> list[Path]:
    """Write the nights into a folder, a file each, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, results in enumerate(nights(count, **more)):
        path = folder / f"night-{number:03}.json"
        resultsfile.write(results, path)
        found.append(path)
    return found
