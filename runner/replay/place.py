"""Puts a bundle into an empty folder, as a matrix, its lock, and suites."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml
from pydantic import JsonValue, ValidationError

from runner.errors import ArtifactError, RunnerError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, lock
from runner.kernels.lock import Lock, Locked
from runner.matrix import matrix as matrix_
from runner.matrix.matrix import DebianSource, Kernel, UbuntuSource
from runner.replay.artifact import ReportsArtifact
from runner.replay.bundle import Bundle, ReplayKernel, ReplaySuite, is_plain
from runner.suites.search import SUITE_FILE
from runner.text.progress import Progress

_MATRIX = "matrix.yaml"
# A package of apt with its version; words of apt-get's command line.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]*=[0-9][A-Za-z0-9.+:~-]*")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where everything is."""

    matrix: Path
    # By the suite's name.
    suites: Mapping[str, Path]
    # What stands in place of compiling: by the source, the kernel of its vmlinux.h, and
    # the words of its build.
    objects: Mapping[tuple[Path, str | None, str], Path]


def place(
    artifact: ReportsArtifact,
    bundle: Bundle,
    folder: Path,
    *,
    kernels: Sequence[str],
    suites: Collection[str],
) -> Placed:
    """Write what these kernels and suites need.

    `folder` is empty, and nobody else writes there. Raises UsageError for what no run
    keeps.
    """
    places: dict[str, Path] = {}
    objects: dict[tuple[Path, str | None, str], Path] = {}
    needed = dict.fromkeys(kernels)
    for number, suite in enumerate(bundle.suites):
        if suite.name not in suites:
            continue
        top = folder / f"suites/{number}"
        places[suite.name] = _suite(artifact, suite, top)
        for it in suite.objects:
            if not is_plain(it.path):
                raise _strange(artifact, f"an object at {it.path!r}")
            name = it.path.rpartition("/")[2].removesuffix(".c").removesuffix(".bpf")
            name = name.removesuffix(".o").removesuffix(".bpf")
            target = folder / f"objects/{it.sha256}/{name}.bpf.o"
            _write(target, artifact.file(it.sha256))
            objects[top / it.path, it.vmlinux, it.build] = target
            if it.vmlinux:
                needed[it.vmlinux] = None
    rows = [bundle.kernel(id_) for id_ in needed]
    known = [it for it in rows if it is not None]
    data = {"kernels": [{**it.row, "id": it.id} for it in known]}
    _write(folder / _MATRIX, yaml.safe_dump(data, sort_keys=False).encode())
    locked = {it.id: _locked(artifact, it) for it in known if it.locked is not None}
    _write(lock.path_of(folder / _MATRIX), lock.text(Lock(kernels=locked)).encode())
    return Placed(matrix=folder / _MATRIX, suites=places, objects=objects)


def _suite(artifact: ReportsArtifact, suite: ReplaySuite, top: Path) -> Path:
    """Write a suite's files, and return its folder."""
    if not is_plain(suite.folder):
        raise _strange(artifact, f"a suite in {suite.folder!r}")
    # What lies above is out of its reach, as above a repository.
    (top / ".git").mkdir(parents=True)
    for it in suite.files:
        if not is_plain(it.path) or it.path.split("/")[0] == ".git":
            raise _strange(artifact, f"a file at {it.path!r}")
        path = top / it.path
        _write(path, artifact.file(it.sha256))
        path.chmod(0o755 if it.executable else 0o644)
    found = top / suite.folder
    if not (found / SUITE_FILE).is_file():
        raise _strange(artifact, f"no {SUITE_FILE} of {suite.name}")
    return found


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        # A file where another one needs a folder, too long a path.
        raise UsageError(f"{path.name}: can't be written: {error.strerror}") from error


def _locked(artifact: ReportsArtifact, kernel: ReplayKernel) -> Locked:
    try:
        return Locked.model_validate(kernel.locked)
    except ValidationError as error:
        raise _strange(artifact, f"a lock of {kernel.id} that is none") from error


def _strange(artifact: ReportsArtifact, what: str) -> UsageError:
    return UsageError(
        f"{artifact.path}: there is {what}", hint="no run writes such an artifact"
    )


# ----------------------------------------------------------------------- kernels


def provide(
    placed: Placed,
    kernels: Sequence[str],
    cache: Cache,
    progress: Progress,
    *,
    overrides: Collection[str] = (),
    allow_different: bool = False,
    trust_sources: bool = False,
) -> dict[str, str]:
    """Get kernels as they are locked, and say which of them are others now, and why.

    Rows whose ids are in `overrides` come from this command line. What can't be had as
    it was is another package of the same source if `allow_different`, which is locked
    in its place. Raises UsageError for a source that has an address of its own, unless
    these are trusted, and ArtifactError for a kernel that is unavailable.
    """
    rows = {it.id: it for it in matrix_.load(placed.matrix).kernels}
    path = lock.path_of(placed.matrix)
    folder = lock.folder_of(placed.matrix)
    known = lock.read(path)
    different: dict[str, str] = {}
    for id_ in kernels:
        if id_ in overrides:
            continue
        row = rows[id_]
        bound = lock.applied(
            matrix_.load(placed.matrix), known.of([id_]), folder, strict=True
        )
        (strict,) = [it for it in bound.kernels if it.id == id_]
        try:
            if id_ not in known.kernels:
                raise ArtifactError("the artifact does not say which package it was")
            if fetch.cached(strict, cache) is None:
                _require_safe(row, known.kernels[id_], trust=trust_sources)
            fetch.obtain(strict, cache, progress)
        except RunnerError as error:
            if not allow_different or isinstance(error, UntrustedSourceError):
                raise _unavailable(id_, error) from error
            _require_safe(row, None, trust=trust_sources)
            found = fetch.obtain(row, cache, progress)
            pinned = fetch.pinned(row, cache)
            assert pinned is not None
            known = known.with_pinned(row, pinned, folder)
            different[id_] = f"{found.origin}, because {error.message}"
    path.write_text(lock.text(known))
    return different


class UntrustedSourceError(UsageError):
    """A kernel would come from an address that the artifact names."""


def _unavailable(id_: str, error: RunnerError) -> RunnerError:
    if isinstance(error, UntrustedSourceError):
        return error
    return ArtifactError(
        f"{id_} can't be the same kernel: {error.message}",
        hint="--allow-different takes what its source has now, and --kernel "
        f"{id_}=PATH a kernel of yours",
    )


def _require_safe(row: Kernel, locked: Locked | None, *, trust: bool) -> None:
    """Refuse to fetch from addresses, or to build, what a stranger may have written.

    Debian's and Ubuntu's packages come from this machine's mirrors and are signed.
    """
    if trust:
        return
    for source in row.sources:
        data = cast("dict[str, JsonValue]", source.model_dump(exclude_defaults=True))
        own = {"mirror", "keyring", "debug_keyring", "old_packages", "packages"}
        if not isinstance(source, DebianSource | UbuntuSource) or own & {*data}:
            raise UntrustedSourceError(
                f"{row.id}: the artifact says to get it from {source.shown}",
                hint="if you trust the artifact, add --trust-sources; else use a "
                f"kernel of yours: --kernel {row.id}=PATH",
            )
    if not isinstance(row.btf, str):
        raise UntrustedSourceError(
            f"{row.id}: the artifact says to get its BTF from {row.btf_shown}",
            hint="if you trust the artifact, add --trust-sources",
        )
    items = () if locked is None else (*locked.pin.items, *locked.btf)
    for item in items:
        if not _PACKAGE.fullmatch(item.location):
            raise UntrustedSourceError(
                f"{row.id}: the artifact says to get {item.location}",
                hint="if you trust the artifact, add --trust-sources",
            )
