"""From a row of the matrix to a kernel's files."""

import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, JsonValue, ValidationError

from runner.errors import (
    ArtifactError,
    MissingFileError,
    NotOnServerError,
    RunnerError,
    UsageError,
)
from runner.facts import families
from runner.files.cache import Cache, CacheEntry, key_of
from runner.kernels import artifact, btf, guestconfig, nic, older, store, trust
from runner.kernels.artifact import Artifact
from runner.kernels.btf import Material, reduced
from runner.kernels.sources import providers
from runner.kernels.sources.source import LOCAL, Item, Pin, Workplace
from runner.matrix.matrix import BaseSource, Kernel
from runner.text.progress import Progress
from runner.versions import KernelVersion

log = logging.getLogger(__name__)

_KIND = "kernels"

# Rows that come at the same time are unpacked by as many threads as there are
# processors; more would only take memory.
_unpacking = threading.BoundedSemaphore(os.cpu_count() or 1)


class _Resolution(BaseModel):
    """What a source was resolved to, and when."""

    pin: Pin
    # Seconds since the epoch.
    time: float


def obtain(
    kernel: Kernel, cache: Cache, progress: Progress, *, refresh: bool = False
) -> Artifact:
    """Return a kernel's artifact, fetched when the cache has it not.

    A warm cache needs no network: what a source was resolved to is remembered for as
    long as its provider says, and longer when it can't be asked again.
    Raises UsageError for a kernel without a source and for one whose files don't exist
    on this machine, ArtifactError for one that is unavailable for another reason.
    """
    if kernel.unavailable:
        raise UsageError(
            f"{kernel.id} is unavailable: {kernel.unavailable}",
            hint=f"use a local one with --kernel {kernel.id}=PATH; `python -m runner "
            "kernels` lists what is available",
        )
    failed: dict[int, ArtifactError] = {}
    known = None if refresh else _at_hand(kernel, cache, progress, failed)
    return known or _first(kernel, cache, progress, failed, refresh=refresh)


def cached(kernel: Kernel, cache: Cache) -> Artifact | None:
    """Return a kernel's artifact if the cache has it."""
    for source in kernel.sources:
        found = _known(kernel, source, cache)
        if found is not None:
            return found
    return None


@dataclass(frozen=True, kw_only=True)
class PinnedKernel:
    """What a kernel in the cache is, file by file."""

    source: BaseSource
    pin: Pin
    # What its BTF was made of, besides those.
    btf: tuple[Item, ...]


def pinned(kernel: Kernel, cache: Cache) -> PinnedKernel | None:
    """Return the source that a kernel came from, and exactly which files it was.

    None when the cache does not have the kernel.
    """
    for source in kernel.sources:
        found = _known(kernel, source, cache)
        if found is not None:
            pin = _pin(source, cache)
            items = tuple(
                item.model_copy(update={"sha256": found.packages[item.name]})
                for item in pin.items
            )
            return PinnedKernel(
                source=source,
                # With where the files really came from.
                pin=pin.model_copy(update={"origin": found.origin, "items": items}),
                btf=found.btf_items,
            )
    return None


@dataclass(frozen=True, kw_only=True)
class ResolvedKernel:
    """Which of a row's sources a kernel comes from, and exactly which files it is."""

    source: BaseSource
    pin: Pin


def resolved(kernel: Kernel, cache: Cache) -> ResolvedKernel:
    """Return what `obtain` would return the artifact of, and download nothing.

    Raises ArtifactError when no source can be asked.
    """
    for source in kernel.sources:
        if not _stale(source, cache) and _known(kernel, source, cache) is not None:
            return ResolvedKernel(source=source, pin=_pin(source, cache))
    failure: ArtifactError | None = None
    for source in kernel.sources:
        try:
            pin = providers.of(source).resolve(source, cache)
        except ArtifactError as error:
            failure = failure or error
            if _known(kernel, source, cache) is None:
                continue
            # As a run does when the network is gone.
            pin = _pin(source, cache)
        return ResolvedKernel(source=source, pin=pin)
    assert failure is not None
    raise ArtifactError(
        f"{kernel.id}: {failure.message}", hint=failure.hint
    ) from failure


def version_of(kernel: Kernel, cache: Cache) -> KernelVersion | None:
    """Return a kernel's version, asking its source if nobody else knows.

    None if it is unavailable, or only its image could tell. Raises ArtifactError when
    no source can be asked.
    """
    known = cached(kernel, cache)
    if known is not None:
        return known.version
    if kernel.version is not None:
        return kernel.version
    failure: ArtifactError | None = None
    for source in kernel.sources:
        try:
            pin = providers.of(source).resolve(source, cache)
        except ArtifactError as error:
            failure = error
            continue
        return KernelVersion.parse(pin.version) if pin.version else None
    if failure is None or kernel.unavailable:
        return None
    raise failure


# ------------------------------------------------------- one source after the other


class _UnfitError(ArtifactError):
    """A kernel is there, and can't be a guest."""


def _at_hand(
    kernel: Kernel, cache: Cache, progress: Progress, failed: dict[int, ArtifactError]
) -> Artifact | None:
    """Return the first artifact that needs no network and is not too old.

    Sources that failed, by their number, are put into `failed`.
    """
    for number, source in enumerate(kernel.sources):
        try:
            if providers.is_at_hand(source):
                return _fetch(kernel, source, cache, progress)
            known = None if _stale(source, cache) else _known(kernel, source, cache)
            if known is not None:
                return _fit(kernel, known)
        except ArtifactError as error:
            failed[number] = error
    return None


def _first(
    kernel: Kernel,
    cache: Cache,
    progress: Progress,
    failed: dict[int, ArtifactError],
    *,
    refresh: bool,
) -> Artifact:
    """Return the artifact of the first source that can provide it."""
    for number, source in enumerate(kernel.sources):
        try:
            if number not in failed:
                return _fetch(kernel, source, cache, progress, refresh=refresh)
        except ArtifactError as error:
            failed[number] = error
            known = _known(kernel, source, cache)
            if known is not None and not isinstance(error, _UnfitError):
                progress.message(f"{kernel.id}: not updated: {error.message}")
                return _fit(kernel, known)
        if source is not kernel.sources[-1]:
            progress.message(f"{kernel.id}: {_told(source, failed[number])}")
    told = "; ".join(
        _told(source, failed[number]) for number, source in enumerate(kernel.sources)
    )
    # What the matrix names and is not there is a mistake, and no source's trouble.
    mistaken = all(isinstance(it, MissingFileError) for it in failed.values())
    raise (UsageError if mistaken else ArtifactError)(
        f"{kernel.id} is unavailable: {told}",
        hint=next((failed[it].hint for it in sorted(failed) if failed[it].hint), ""),
    ) from failed[len(kernel.sources) - 1]


def _told(source: BaseSource, error: ArtifactError) -> str:
    place = source.shown.partition(" ")[2]
    if place and place in error.message:
        return error.message
    return f"{source.shown}: {error.message}"


def _fetch(
    kernel: Kernel,
    source: BaseSource,
    cache: Cache,
    progress: Progress,
    *,
    refresh: bool = False,
) -> Artifact:
    pin = providers.of(source).resolve(source, cache)
    try:
        entry = _entry(kernel, source, pin, cache, progress, refresh=refresh)
    except NotOnServerError as error:
        # What the cache has of this source is used if this fails.
        if _known(kernel, source, cache) is not None:
            raise
        pin, entry = older.instead(
            pin,
            error,
            source,
            cache,
            lambda it: _entry(kernel, source, it, cache, progress, refresh=refresh),
            lambda text: progress.message(f"{kernel.id}: {text}"),
        )
    found = artifact.from_entry(entry, pin)
    _compare(kernel, found, progress)
    resolution = _Resolution(pin=pin, time=time.time())
    cache.remember(_name(source), resolution.model_dump(mode="json"))
    return _fit(kernel, found)


def _entry(
    kernel: Kernel,
    source: BaseSource,
    pin: Pin,
    cache: Cache,
    progress: Progress,
    *,
    refresh: bool,
) -> CacheEntry:
    """Return a kernel's entry in the cache, built where it is not there."""
    setting = reduced.setting_of(kernel)
    whole = None
    if setting is not None:
        row = reduced.whole(kernel, setting)
        whole = _entry(row, source, pin, cache, progress, refresh=refresh)

    def build(folder: Path) -> Mapping[str, JsonValue]:
        if setting is not None and whole is not None:
            return reduced.build(setting, whole, folder, cache)
        return _build(kernel, pin, source, folder, cache, progress)

    key = _key(kernel, source, pin, cache)
    found = cache.entry(_KIND, key, build)
    if refresh and artifact.from_entry(found, pin).btf_items:
        # The kernel is the same, and its BTF's source may have moved on.
        found = cache.renew(_KIND, key, build)
    return found


def _fit(kernel: Kernel, found: Artifact) -> Artifact:
    """Return what can be a guest; raise _UnfitError that says what it lacks else.

    Raises ArtifactError for BTF of other files than a lock has.
    """
    btf.hold(kernel.btf, found.btf_items)
    architecture = kernel.architecture
    if found.config is not None:
        lacking = guestconfig.missing(
            guestconfig.parse(found.config.read_text(errors="replace")), architecture
        )
        if lacking:
            raise _UnfitError(
                f"kernel {found.release} can't run as a guest: it needs "
                f"{', '.join(lacking)}",
                hint="build it with these options, or use another kernel",
            )
    if found.nic is None:
        names = " or ".join("+".join(it.modules) for it in nic.of(architecture))
        raise _UnfitError(
            f"kernel {found.release} has no driver for a network card: {names}, built "
            "in or as modules",
            hint="if they are modules, set their folder with the key modules",
        )
    return found


def _compare(kernel: Kernel, found: Artifact, progress: Progress) -> None:
    """Say when a row's id has another version than its kernel, or is upstream's.

    An id that is nothing but a number, "5.14", promises upstream's kernel.
    """
    told = kernel.version
    vendor = families.vendor(found.release)
    other = told is not None and told.parts != found.version.parts[: len(told.parts)]
    if other or (vendor and re.fullmatch(r"[\d.]+", kernel.id)):
        whose = f", of {vendor}" if vendor else ""
        progress.message(f"{kernel.id}: note: this kernel is {found.release}{whose}")


def _build(
    kernel: Kernel,
    pin: Pin,
    source: BaseSource,
    folder: Path,
    cache: Cache,
    progress: Progress,
) -> Mapping[str, JsonValue]:
    # Beside the entry, so that what is downloaded is no part of it.
    with cache.scratch() as scratch:
        work = Workplace(cache=cache, scratch=scratch, progress=progress)
        collected = providers.of(source).collect(pin, source, work)
        with _unpacking:
            stored = store.write(collected, folder, kernel.architecture)
        material = Material(
            release=stored.release,
            version=KernelVersion.parse(stored.version),
            image=(folder / artifact.VMLINUZ).read_bytes(),
            vmlinux=collected.vmlinux,
            beside=collected.btf,
            work=work,
        )
        chosen = btf.choose(kernel.btf, material)
        if chosen.data is not None:
            (folder / artifact.BTF).write_bytes(chosen.data)
        return {
            "origin": collected.origin,
            "pin_origin": pin.origin,
            "packages": {
                item.name: item.sha256 or collected.checksums[item.name]
                for item in pin.items
            },
            "release": stored.release,
            "version": stored.version,
            "modules": " ".join(stored.modules),
            "root_modules": " ".join(stored.root_modules),
            "arch": kernel.arch,
            "nic": stored.card.device if stored.card else "",
            "btf_source": chosen.source,
            "btf_detail": chosen.detail,
            "btf_items": [item.model_dump(mode="json") for item in chosen.items],
        }


# ---------------------------------------------------------------- what is remembered


def _known(kernel: Kernel, source: BaseSource, cache: Cache) -> Artifact | None:
    """Return what a source was last resolved to, if the cache has it."""
    try:
        pin = _pin(source, cache)
        entry = cache.lookup(_KIND, _key(kernel, source, pin, cache))
    except RunnerError as error:
        # What is missing now is reported when the kernel is asked for.
        log.debug("%s: %s: %s", kernel.id, source.shown, error)
        return None
    return None if entry is None else artifact.from_entry(entry, pin)


def _pin(source: BaseSource, cache: Cache) -> Pin:
    """Return what a source was last resolved to. Raises ArtifactError if never."""
    if providers.freshness(source) == LOCAL:
        return providers.of(source).resolve(source, cache)
    resolution = _remembered(source, cache)
    if resolution is None:
        raise ArtifactError(f"{source.shown} was never resolved")
    return resolution.pin


def _stale(source: BaseSource, cache: Cache) -> bool:
    fresh = providers.freshness(source)
    if fresh == LOCAL:
        return False
    known = _remembered(source, cache)
    return known is None or time.time() - known.time > fresh


def _remembered(source: BaseSource, cache: Cache) -> _Resolution | None:
    try:
        return _Resolution.model_validate(cache.recall(_name(source)))
    except (ValidationError, ArtifactError):
        # A file of keys that is missing is reported when the source is asked.
        return None


def _name(source: BaseSource) -> str:
    key = key_of(source.model_dump_json(), source.arch, *trust.identity(source))
    return f"pin-{key[:16]}"


def _key(kernel: Kernel, source: BaseSource, pin: Pin, cache: Cache) -> str:
    return key_of(
        store.fingerprint(),
        btf.identity(kernel.btf, cache),
        pin.provider,
        *(item.identity for item in pin.items),
        kernel.arch,
        # Signatures are checked when an entry is built.
        *trust.identity(source),
    )
