"""A kernel's headers, which programs need that compile for it while it runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from runner.errors import UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, trust
from runner.kernels.lock import PinnedSource
from runner.kernels.sources import debian
from runner.kernels.sources.source import Item, Workplace
from runner.matrix.matrix import BaseSource, DebianSource, Kernel

_ITEMS = TypeAdapter(tuple[Item, ...])


@dataclass(frozen=True, kw_only=True)
class HeaderPackages:
    """The packages that hold a kernel's headers."""

    # As `uname -r` says it.
    release: str
    source: DebianSource
    # linux-headers-RELEASE, and what it shares with other flavours.
    items: tuple[Item, ...]

    def download(self, work: Workplace) -> Iterator[Path]:
        """Yield the packages. Raises ArtifactError."""
        for item in self.items:
            yield debian.download(item, self.source, work)


def of(kernel: Kernel, release: str, cache: Cache) -> HeaderPackages:
    """Return the packages with the headers of a kernel that is in the cache.

    The suite is asked once for a release. Raises UsageError for a kernel whose source
    has none, and ArtifactError when its suite can't be asked, or no longer has them.
    """
    source = _source(kernel, cache)
    if not isinstance(source, DebianSource):
        where = "an unknown source" if source is None else source.shown
        raise UsageError(
            f"{kernel.id} comes from {where}, which has no headers for it",
            hint=f"put them into the root, below /lib/modules/{release}/build; headers "
            "can be fetched for kernels of the source `debian`",
        )
    note = "-".join(("headers", release, *trust.identity(source)))
    try:
        items = _ITEMS.validate_python(cache.recall(note))
    except ValidationError:
        items = debian.headers(release, source, cache)
        cache.remember(note, _ITEMS.dump_python(items, mode="json"))
    return HeaderPackages(release=release, source=source, items=items)


def _source(kernel: Kernel, cache: Cache) -> BaseSource | None:
    """Return the source that a kernel came from, also if a lock pins it."""
    pinned = fetch.pinned(kernel, cache)
    source = None if pinned is None else pinned.source
    return source.source if isinstance(source, PinnedSource) else source
