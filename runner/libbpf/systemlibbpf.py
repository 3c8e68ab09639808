"""Build the guest agent and preflight's engine with the system's libbpf."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from runner.errors import InfrastructureError
from runner.files.cache import Cache, CacheEntry, key_of
from runner.libbpf import recipe
from runner.libbpf.recipe import LIBRARIES, LibbpfWorkshop
from runner.memo import Finding, found_once
from runner.text.progress import Progress

# To be raised when the same sources are to give other programs.
_RECIPE = "system 1"
_LIBRARIES = {"libbpf.a": "libbpf-dev", **LIBRARIES}


class SystemBuildError(InfrastructureError):
    """The programs do not build with this machine's compiler and libraries."""


def missing() -> dict[str, str]:
    """Return what the build takes and this machine lacks, with Debian's packages."""
    return recipe.missing(_LIBRARIES)


def built(images: Path, cache: Cache, progress: Progress) -> CacheEntry:
    """Return the cache's entry with the programs, built if it is not there.

    They are built anew when their sources, the compiler or a library changed. The
    build's log is in the cache, too. Raises InfrastructureError that names packages
    that are missing, or has the compiler's words.
    """
    key = _key(images, cache)
    log = cache.folder("logs") / f"programs-{key[:16]}.log"

    def make(folder: Path) -> Mapping[str, JsonValue]:
        with (
            cache.scratch() as scratch,
            progress.task("building the guest agent and preflight's engine, once"),
        ):
            log.write_text("")
            shop = LibbpfWorkshop(
                folder=scratch,
                log=log,
                name="with the system's libbpf",
                error=SystemBuildError,
            )
            shop.programs(recipe.own_sources(images), folder, [], "")
            return {"origin": "programs with the system's libbpf"}

    return cache.entry(recipe.KIND, key, make)


def known(images: Path, cache: Cache) -> CacheEntry | None:
    """Return the entry if it is there. Raises as `built`, but builds nothing."""
    return cache.lookup(recipe.KIND, _key(images, cache))


def _key(images: Path, cache: Cache) -> str:
    def find() -> Finding:
        recipe.require(_LIBRARIES)
        own = recipe.own_sources(images)
        key = key_of(_RECIPE, *recipe.digests(own), *recipe.toolchain(_LIBRARIES))
        folders = {path.parent for path in own.values()}
        return key, [*own.values(), *folders, _compiler(), *recipe.files(_LIBRARIES)]

    # A file that is gone counts as changed. What was built is used as long as nothing
    # did, without asking the compiler, which takes as long as a guest's first answer.
    return found_once(cache, "programs", [str(images), str(_compiler())], find)


def _compiler() -> Path:
    return Path(shutil.which("gcc") or "gcc").resolve()
