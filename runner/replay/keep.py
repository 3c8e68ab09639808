"""Keeps in a folder of reports what a replay needs."""

import hashlib
import logging
import os
import platform
import posixpath
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue, ValidationError

from runner import __version__
from runner.bpf.compile import ByteOrderError
from runner.errors import RunnerError, UsageError
from runner.kernels import fetch, lock
from runner.kernels.lock import Lock, PinnedSource
from runner.matrix import environment, overrides
from runner.matrix import matrix as matrix_
from runner.matrix.matrix import Kernel
from runner.replay.bundle import (
    FILES,
    INDEX,
    MOST_FILE,
    MOST_FILES,
    MOST_INDEX,
    Bundle,
    KeptFile,
    KeptObject,
    ReplayKernel,
    ReplaySettings,
    ReplaySuite,
    is_plain,
)
from runner.reports.atomic import explained, write_text
from runner.results import Outcome, RunResults
from runner.run.retry import BETWEEN
from runner.run.run import Run
from runner.suites import commandcase
from runner.suites.comparable import AgreeExpectation, RecordExpectation
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite

log = logging.getLogger(__name__)

_BAD = (Outcome.FAILED, Outcome.ERROR)
_NOT_KEPT = "it passed, and only files of cases that failed are kept"


def write(run: Run, suites: Sequence[LoadedSuite], results: RunResults) -> None:
    """Keep what a run's cases loaded, and all that those need which did not pass.

    Objects are kept of all cases, and programs and files of those that failed.
    Raises InfrastructureError when the folder can't be written.
    """
    folder = run.settings.reports
    store = _Store(folder)
    kept = tuple(_suite(run, it, results, store) for it in suites)
    wanted = {it.id for it in run.kernels}
    wanted |= {it.vmlinux for suite in kept for it in suite.objects if it.vmlinux}
    bundle = Bundle(
        runner=__version__,
        arch=platform.machine(),
        settings=_settings(run),
        kernels=tuple(_kernels(run, wanted)),
        suites=kept,
        provenance=results.provenance,
    )
    write_text(folder / INDEX, bundle.model_dump_json(indent=1) + "\n")


def merge(parts: Iterable[Path], out: Path) -> None:
    """Put together what the parts of a run have kept.

    Parts without it are left out. Raises InfrastructureError when the folder can't be
    written.
    """
    bundles: list[Bundle] = []
    for part in parts:
        found = _read(part)
        if found is None:
            continue
        bundles.append(found)
        for sha256 in _checksums(found):
            source, target = part / FILES / sha256, out / FILES / sha256
            if not target.exists() and source.is_file() and not source.is_symlink():
                with explained(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)
    if not bundles:
        return
    kernels = {it.id: it for bundle in bundles for it in bundle.kernels}
    suites: dict[str, ReplaySuite] = {}
    for bundle in bundles:
        for suite in bundle.suites:
            known = suites.get(suite.name)
            suites[suite.name] = suite if known is None else _both(known, suite)
    merged = bundles[0].model_copy(
        update={"kernels": tuple(kernels.values()), "suites": tuple(suites.values())}
    )
    write_text(out / INDEX, merged.model_dump_json(indent=1) + "\n")


def _read(part: Path) -> Bundle | None:
    path = part / INDEX
    try:
        with path.open("rb") as file:
            return Bundle.model_validate_json(file.read(MOST_INDEX))
    except (OSError, ValidationError) as error:
        log.debug("%s: %s", path, error)
        return None


def _checksums(bundle: Bundle) -> set[str]:
    files = {it.sha256 for suite in bundle.suites for it in suite.files}
    return files | {it.sha256 for suite in bundle.suites for it in suite.objects}


def _compiled(run: Run, source: Path, case: Case) -> Iterator[tuple[str, Path]]:
    """Yield an object for each architecture of a run's kernels, with its build's words.

    A built one suits some of them only. Raises ByteOrderError if it suits none.
    """
    unsuited: ByteOrderError | None = None
    found = False
    for architecture in dict.fromkeys(it.architecture for it in run.kernels):
        build = case.build.on(architecture)
        try:
            yield build.words, run.compiled(source, case.vmlinux, build)
            found = True
        except ByteOrderError as error:
            unsuited = error
    if unsuited is not None and not found:
        raise unsuited


def _both(one: ReplaySuite, other: ReplaySuite) -> ReplaySuite:
    """Return what two parts kept of a suite: what one lacks, the other may have."""
    files = {it.path: it for it in (*one.files, *other.files)}
    both = (*one.objects, *other.objects)
    objects = {(it.path, it.vmlinux, it.build): it for it in both}
    missing = {case: why for case, why in one.missing.items() if case in other.missing}
    return one.model_copy(
        update={
            "files": tuple(files.values()),
            "objects": tuple(objects.values()),
            "missing": missing,
        }
    )


class _Store:
    """The files of a bundle, each under its checksum."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FILES
        self._size = 0
        self._known: set[str] = set()

    def add(self, data: bytes) -> str:
        """Keep a file, and return its SHA-256. Raises UsageError for one too many."""
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 in self._known:
            return sha256
        if len(data) > MOST_FILE or self._size + len(data) > MOST_FILES:
            raise UsageError("its files are too large to be kept")
        path = self._folder / sha256
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self._size += len(data)
        self._known.add(sha256)
        return sha256


# ------------------------------------------------------------------------ suites


def _suite(
    run: Run, loaded: LoadedSuite, results: RunResults, store: _Store
) -> ReplaySuite:
    bad = {
        case.case
        for case in results.cases
        if case.suite == loaded.name and case.outcome in _BAD
    }
    names = {it for case in loaded.suite.cases for it in _names(case)}
    up = max((_up(name) for name in names), default=0)
    # Folders above it have names that nobody needs to know. Its own gives it its name.
    folder = "/".join([*["top"] * (up - 1), loaded.name])
    files: dict[str, KeptFile] = {}
    objects: dict[tuple[str, str | None, str], KeptObject] = {}
    missing: dict[str, str] = {}

    def keep(path: Path, name: str) -> None:
        place = posixpath.normpath(posixpath.join(folder, name))
        if place not in files and is_plain(place):
            files[place] = KeptFile(
                path=place,
                sha256=store.add(path.read_bytes()),
                executable=os.access(path, os.X_OK),
            )

    keep(loaded.path, loaded.path.name)
    for case in loaded.suite.cases:
        try:
            _require_kept(case, loaded)
            for recorded in _recorded(case):
                if (loaded.folder / recorded).is_file():
                    keep(loaded.folder / recorded, recorded)
            if case.object:
                keep(loaded.file(case.object), case.object)
                place = posixpath.normpath(posixpath.join(folder, case.object))
                for words, compiled in _compiled(run, loaded.file(case.object), case):
                    objects[place, case.vmlinux, words] = KeptObject(
                        path=place,
                        vmlinux=case.vmlinux,
                        build=words,
                        sha256=store.add(compiled.read_bytes()),
                    )
            whole = any(
                it == case.name or it.startswith(f"{case.name}{BETWEEN}") for it in bad
            )
            named = [*_files(case, loaded)]
            if named and not whole:
                missing[case.name] = _NOT_KEPT
                continue
            for path, name in named:
                keep(path, name)
        except (RunnerError, OSError) as error:
            missing[case.name] = " ".join(str(error).split())[:300]
    return ReplaySuite(
        name=loaded.name,
        folder=folder,
        files=tuple(files.values()),
        objects=tuple(objects.values()),
        together=tuple(
            case.name
            for case in loaded.suite.cases
            if any(isinstance(it, AgreeExpectation) for it in case.expect)
        ),
        missing=missing,
    )


def _recorded(case: Case) -> Iterator[str]:
    """Yield the files of recorded rows that a case is compared with."""
    for it in case.expect:
        if isinstance(it, RecordExpectation):
            yield it.file(case.name)


def _require_kept(case: Case, loaded: LoadedSuite) -> None:
    """Raise UsageError for a case that needs more than files."""
    if case.root is not None:
        raise UsageError("its `root` is too large to be kept")
    for name in _names(case):
        if name.startswith("/"):
            raise UsageError(f"{name} lies elsewhere on that machine")
        if (loaded.folder / name).is_dir():
            raise UsageError(f"the folder {name} is not kept; name the files in it")


def _names(case: Case) -> Iterator[str]:
    """Yield the paths that a case names, seen from its suite."""
    if case.object:
        yield case.object
    for word in case.files:
        yield commandcase.split(word)[0] if case.command else word
    yield from (it for it in (case.stdin, case.btf) if it is not None)
    if case.extends is not None:
        yield case.extends.object
    if case.command and "/" in case.command[0]:
        yield case.command[0]


def _files(case: Case, loaded: LoadedSuite) -> Iterator[tuple[Path, str]]:
    """Yield programs and files of a case, besides its object."""
    for name in _names(case):
        path = loaded.file(name)
        if name != case.object and path.is_file():
            yield path, name
    if case.command and "/" not in case.command[0]:
        path = loaded.file(case.command[0])
        if path.is_file():
            yield path, case.command[0]


def _up(name: str) -> int:
    """Return how many folders above the suite's a path begins."""
    return posixpath.normpath(name).split("/").count("..")


# ----------------------------------------------------------------------- kernels


def _kernels(run: Run, wanted: Collection[str]) -> Iterator[ReplayKernel]:
    choice = run.settings.kernels
    # As the files say it, before a lock was applied.
    rows = overrides.apply(matrix_.load(choice.matrix), choice.overrides)
    asked = environment.parse(choice.guest)
    folder = lock.folder_of(choice.matrix)
    known = {it.id: it for it in (*run.matrix.kernels, *run.kernels)}
    for row in rows.kernels:
        if row.id in wanted:
            yield ReplayKernel(
                id=row.id,
                row=_row(row.within(asked), folder),
                locked=_locked(run, known[row.id], folder),
            )
    # Of other matrices, for their types.
    for id_ in sorted(set(wanted) - known.keys()):
        found = run.types.get(id_)
        assert found is not None
        folder = lock.folder_of(found.matrix)
        (row,) = (it for it in matrix_.load(found.matrix).kernels if it.id == id_)
        yield ReplayKernel(
            id=id_,
            row=_row(row, folder),
            locked=_locked(run, found.kernel, folder),
        )


def _row(row: Kernel, folder: Path) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = row.model_dump(mode="json", exclude_defaults=True)
    sources: list[JsonValue] = [dict(lock.described(it, folder)) for it in row.sources]
    return {**data, "id": row.id, "source": sources if len(sources) > 1 else sources[0]}


def _locked(run: Run, kernel: Kernel, folder: Path) -> dict[str, JsonValue] | None:
    pinned = fetch.pinned(kernel, run.cache)
    if pinned is None:
        return None
    if isinstance(pinned.source, PinnedSource):
        pinned = replace(pinned, source=pinned.source.source)
    made = Lock().with_pinned(kernel, pinned, folder).kernels[kernel.id]
    return made.model_dump(mode="json", exclude_defaults=True)


def _settings(run: Run) -> ReplaySettings:
    settings = run.settings
    return ReplaySettings(
        boot_timeout=settings.boot_timeout,
        timeout_scale=settings.timeout_scale,
        cold=settings.cold,
        accelerator=settings.accelerator,
        # A folder of that machine is not known here.
        loaders={
            name: version if "/" not in version else "a folder of that machine"
            for name, version in settings.loaders.items()
        },
    )
