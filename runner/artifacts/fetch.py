"""From a row of the matrix to a kernel's files."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pydantic import JsonValue

from runner.artifacts import apt, artifact, bzimage, debian, modules, packages
from runner.artifacts.artifact import Artifact
from runner.artifacts.cache import Cache, Entry, key_of, sha256_of
from runner.artifacts.debian import Resolved
from runner.artifacts.progress import Progress
from runner.errors import ArtifactError, UsageError
from runner.matrix import DebianSource, Kernel, UnavailableSource
from runner.versions import KernelVersion

log = logging.getLogger(__name__)

# To be raised when the same packages are to give other files.
_RECIPE = "1"
_KIND = "kernels"
# How old an answer of apt may be until it is asked again, in seconds.
_FRESH = 7 * 24 * 3600.0
_WANTED = Path(__file__).resolve().parents[2] / "images/modules"


def obtain(
    kernel: Kernel, cache: Cache, progress: Progress, *, refresh: bool = False
) -> Artifact:
    """Return a kernel's artifact, fetched when the cache has it not.

    A warm cache needs no network: what a package was resolved to is remembered for a
    week, and longer when the mirror can't be reached.
    Raises UsageError for a kernel without a source, ArtifactError when it can't be had.
    """
    source = _source(kernel)
    known = cached(kernel, cache)
    if known is not None and not refresh and not _stale(source, cache):
        return known
    try:
        return _fetch(source, cache, progress)
    except ArtifactError as error:
        if known is not None:
            progress.message(f"{kernel.id}: not refreshed: {error.message}")
            return known
        raise ArtifactError(
            f"{kernel.id}: {source.suite}'s {source.package} is not in the cache, and "
            f"can't be fetched: {error.message}",
            hint=error.hint,
        ) from error


def cached(kernel: Kernel, cache: Cache) -> Artifact | None:
    """Return a kernel's artifact if the cache has it."""
    if isinstance(kernel.source, UnavailableSource):
        return None
    known = cache.recall(_name(kernel.source))
    if not isinstance(known, dict):
        return None
    entry = cache.lookup(_KIND, str(known.get("key")))
    return None if entry is None else artifact.from_entry(entry)


def version_of(kernel: Kernel, cache: Cache) -> KernelVersion | None:
    """Return a kernel's version, asking apt if nobody else knows; None if unavailable.

    Raises ArtifactError when apt can't tell either.
    """
    if kernel.version is not None:
        return kernel.version
    known = cached(kernel, cache)
    if known is not None:
        return known.version
    if isinstance(kernel.source, UnavailableSource):
        return None
    return _resolve(kernel.source, cache)[0].version


def _source(kernel: Kernel) -> DebianSource:
    if isinstance(kernel.source, UnavailableSource):
        raise UsageError(
            f"kernel {kernel.id} can't be had: {kernel.source.reason}",
            hint="`python -m runner kernels` lists what can",
        )
    return kernel.source


def _fetch(source: DebianSource, cache: Cache, progress: Progress) -> Artifact:
    resolved, archive = _resolve(source, cache)
    key = key_of(
        _RECIPE,
        sha256_of(_WANTED),
        *(package.sha256 for package in resolved.packages),
    )

    def build(folder: Path) -> Mapping[str, JsonValue]:
        return _build(resolved, archive, folder, cache, progress)

    entry: Entry = cache.entry(_KIND, key, build)
    cache.remember(_name(source), {"key": key, "time": time.time()})
    return artifact.from_entry(entry)


def _resolve(source: DebianSource, cache: Cache) -> tuple[Resolved, apt.Archive]:
    folder = cache.folder("apt") / source.suite
    with cache.locked(f"apt-{source.suite}"):
        archive = apt.open_suite(source.suite, folder)
        return debian.resolve(source, archive), archive


def _name(source: DebianSource) -> str:
    return f"debian-{key_of(source.suite, source.package)[:16]}"


def _stale(source: DebianSource, cache: Cache) -> bool:
    known = cache.recall(_name(source))
    if not isinstance(known, dict) or not isinstance(known.get("time"), int | float):
        return True
    return time.time() - float(str(known["time"])) > _FRESH


def _build(
    resolved: Resolved,
    archive: apt.Archive,
    folder: Path,
    cache: Cache,
    progress: Progress,
) -> Mapping[str, JsonValue]:
    contents: dict[str, bytes] = {}
    # Beside the entry, so that the packages are no part of it.
    with cache.scratch() as downloads:
        for package in resolved.packages:
            name = f"{package.name} ({package.size / 1e6:.1f} MB)"
            with progress.task(name) as task:
                path = archive.download(package, downloads, task.advance_to)
            if sha256_of(path) != package.sha256:
                raise ArtifactError(f"{path.name} is not what the index promised")
            contents |= packages.files(path, _is_of_interest)
            path.unlink()
    return {
        "origin": resolved.origin,
        "version": str(resolved.version),
        "packages": {it.name: it.sha256 for it in resolved.packages},
        **_store(contents, folder),
    }


def _is_of_interest(path: str) -> bool:
    # boot/vmlinuz-RELEASE up to 6.x, usr/lib/modules/RELEASE/vmlinuz from 7.x on.
    file = PurePosixPath(path).name
    return (
        path.startswith("boot/")
        or modules.name_of(path) is not None
        or file in ("vmlinuz", "config", "System.map", "modules.builtin")
    )


def _store(contents: Mapping[str, bytes], folder: Path) -> dict[str, JsonValue]:
    """Write a kernel's files and return release and module order."""
    builtin = _only("modules.builtin", contents)
    release = PurePosixPath(builtin).parent.name
    image = contents[_only("vmlinuz", contents)]
    (folder / artifact.VMLINUZ).write_bytes(image)
    for name in (artifact.CONFIG, artifact.SYSTEM_MAP):
        (folder / name).write_bytes(contents[_only(name, contents)])
    btf = bzimage.btf(image)
    if btf is not None:
        (folder / artifact.BTF).write_bytes(btf)
    present = _modules(contents)
    ordered = modules.load_order(
        modules.parse_wanted(_WANTED.read_text()),
        present,
        modules.builtin(contents[builtin].decode()),
    )
    (folder / artifact.MODULES).mkdir()
    for name in ordered:
        (folder / artifact.MODULES / f"{name}.ko").write_bytes(present[name])
    return {"release": release, "modules": " ".join(ordered)}


def _modules(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    found = {}
    for path, data in contents.items():
        name = modules.name_of(path)
        if name is not None:
            found[name] = modules.decompressed(path, data)
    return found


def _only(name: str, contents: Mapping[str, bytes]) -> str:
    """Return the path of NAME or NAME-RELEASE."""
    found = [
        path
        for path in contents
        if PurePosixPath(path).name == name
        or PurePosixPath(path).name.startswith(f"{name}-")
    ]
    if len(found) != 1:
        raise ArtifactError(f"the packages hold {len(found)} files {name}, not one")
    return found[0]
