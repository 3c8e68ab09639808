"""Kernels from Ubuntu's packages, by address and checksum."""

from runner.files.cache import Cache
from runner.kernels.sources import remote
from runner.kernels.sources.source import FOREVER, Collected, Item, Pin, Workplace
from runner.matrix.matrix import UbuntuSource


class Ubuntu:
    """The provider of `ubuntu` sources."""

    fresh = FOREVER
    at_hand = False

    def resolve(self, source: UbuntuSource, cache: Cache) -> Pin:
        """Return the packages that the source names."""
        return Pin(
            provider=source.type,
            origin=source.shown,
            items=tuple(
                Item(name=package.name, location=package.url, sha256=package.sha256)
                for package in source.packages
            ),
        )

    def collect(self, pin: Pin, source: UbuntuSource, work: Workplace) -> Collected:
        """Download the pinned packages. Raises ArtifactError."""
        return remote.collect(pin, work)
