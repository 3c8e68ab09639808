"""The versions that a source offers, and their order."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from runner.files.cache import Cache
from runner.kernels.sources.source import Pin
from runner.matrix.matrix import BaseSource
from runner.versions import KernelVersion

# Upstream's numbers, the kind of package, and what orders versions of that kind.
Order = tuple[tuple[int, ...], str, Any]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One version that a source offers."""

    # As the source's key `version` takes it: "6.1.176-1".
    version: str
    # Of the package, or what else the source calls it.
    package: str
    # What orders offers, also those of different sources.
    order: Order
    # When it was published, as YYYY-MM-DD; empty if the source does not say it.
    date: str = ""


def order_of(kind: str, version: str, native: object) -> Order:
    """Return what orders a version among all others.

    Versions of one kind of package are ordered as its tools do, by `native`. Others are
    by upstream's numbers, which all of them begin with.
    """
    try:
        # An epoch says nothing of the kernel.
        numbers = KernelVersion.parse(version.rpartition(":")[2]).filled()
    except ValueError:
        numbers = ()
    return numbers, kind, native


_Source = TypeVar("_Source", bound=BaseSource, contravariant=True)


@runtime_checkable
class OffersVersions(Protocol[_Source]):
    """A provider that can list what its source has."""

    def offers(self, source: _Source, cache: Cache) -> list[Offer]:
        """Return all versions that a source offers, the oldest first.

        Downloads no kernel. Raises ArtifactError.
        """

    def offer_of(self, pin: Pin, source: _Source) -> Offer:
        """Return the version that a pin of this source is, as if it was offered."""
