"""Kernels from Ubuntu's packages, by address and checksum."""

from pathlib import Path

from runner.kernels.sources import remote
from runner.kernels.sources.source import FOREVER, Collected, Item, Pin, Tools
from runner.matrix.matrix import UbuntuSource
from runner.text.progress import Progress


class Ubuntu:
    """The provider of `ubuntu` sources."""

    fresh = FOREVER
    at_hand = False

    def resolve(self, source: UbuntuSource, tools: Tools) -> Pin:
        """Return the packages that the source names."""
        return Pin(
            provider=source.type,
            origin=source.shown,
            items=tuple(
                Item(
                    name=package.url.rpartition("/")[2],
                    location=package.url,
                    sha256=package.sha256,
                )
                for package in source.packages
            ),
        )

    def collect(
        self,
        pin: Pin,
        source: UbuntuSource,
        tools: Tools,
        scratch: Path,
        progress: Progress,
    ) -> Collected:
        """Download the pinned packages. Raises ArtifactError."""
        return remote.collect(pin, scratch, progress)
