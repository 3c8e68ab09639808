"""Debian's packages of another architecture, unpacked for guests of it.

A guest's programs and libraries come from there, and its agent is built with the
headers and static libraries in it. apt fetches and verifies the packages in a state
directory of its own: this machine's dpkg never hears of another architecture.
"""

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, JsonValue, ValidationError

from runner.arch import Architecture
from runner.errors import ArtifactError
from runner.files.cache import Cache, CacheEntry, key_of
from runner.guest.sysroot import choice, unpack
from runner.kernels.sources import apt, debian
from runner.kernels.sources.source import WEEK, Item, Workplace
from runner.text.progress import Progress

# To be raised when the same packages are to give another sysroot.
_RECIPE = "1"
KIND = "sysroots"
# Where this machine is not Debian's. Its libbpf is the oldest that the engine may have.
_OTHERWISE = "bookworm"


@dataclass(frozen=True, kw_only=True)
class Sysroot:
    """An unpacked system of an architecture, in the cache."""

    architecture: Architecture
    # Its "/".
    folder: Path
    # What it was made of; the same packages give the same one.
    key: str


class _SysrootResolution(BaseModel):
    """What the packages were when the archive was asked, and when that was."""

    items: tuple[Item, ...]
    # Seconds since the epoch.
    time: float


def obtain(architecture: Architecture, cache: Cache, progress: Progress) -> Sysroot:
    """Return an architecture's sysroot, fetched if the cache has not got it.

    The archive is asked once a week; where it can't be reached, what is there is used.
    Raises ArtifactError with apt's words, for a suite without the architecture, and for
    a package that is not what the archive's signed index says.
    """
    suite = suite_for(architecture)
    name = f"sysroot-{architecture.debian.name}-{suite}"
    known = _recalled(name, cache)
    if known is not None and time.time() - known.time < WEEK:
        return _entry(known.items, suite, architecture, cache, progress)
    try:
        place = debian.suite_of(suite, architecture)
        items = choice.choose(place, cache, progress)
    except ArtifactError as error:
        if known is None:
            raise
        progress.message(f"{architecture.name}: not updated: {error.message}")
        return _entry(known.items, suite, architecture, cache, progress)
    found = _entry(items, suite, architecture, cache, progress)
    resolution = _SysrootResolution(items=items, time=time.time())
    cache.remember(name, resolution.model_dump(mode="json"))
    return found


def suite_for(architecture: Architecture) -> str:
    """Return the suite for guests of an architecture: this machine's, if it has it."""
    own, port = this_suite(), architecture.debian
    return port.first if own in port.absent_from else own


def this_suite() -> str:
    """Return the Debian suite whose packages fit this machine's: its own.

    The agent in a guest and the engine here then have the same libbpf.
    """
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return _OTHERWISE
    told = release.get("VERSION_CODENAME", "")
    return told if release.get("ID") == "debian" and told else _OTHERWISE


def _recalled(name: str, cache: Cache) -> _SysrootResolution | None:
    try:
        return _SysrootResolution.model_validate(cache.recall(name))
    except ValidationError:
        return None


def _entry(
    items: tuple[Item, ...],
    suite: str,
    architecture: Architecture,
    cache: Cache,
    progress: Progress,
) -> Sysroot:
    key = key_of(
        _RECIPE, architecture.name, unpack.WANTED, *(it.identity for it in items)
    )

    def build(folder: Path) -> Mapping[str, JsonValue]:
        place = debian.suite_of(suite, architecture)
        with cache.scratch() as scratch:
            work = Workplace(cache=cache, scratch=scratch, progress=progress)
            for path in apt.download_all(items, place, scratch, work):
                unpack.into(path, folder)
        return {"origin": f"{suite}'s packages for {architecture.name}"}

    # Not read through at each use: thousands of headers are in it.
    entry: CacheEntry = cache.entry(KIND, key, build, verify=False)
    return Sysroot(architecture=architecture, folder=entry.directory, key=key)
