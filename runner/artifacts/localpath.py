"""Kernels from this machine's disk."""

from pathlib import Path

from runner.artifacts.cache import sha256_of
from runner.artifacts.progress import Progress
from runner.artifacts.source import LOCAL, Collected, Item, Pin, Tools
from runner.errors import ArtifactError
from runner.matrix import PathSource


class LocalPath:
    """The provider of `path` sources."""

    fresh = LOCAL

    def resolve(self, source: PathSource, tools: Tools) -> Pin:
        """Look at the files. Raises ArtifactError for what is not there."""
        try:
            item = Item(
                name="image",
                location=str(source.image),
                sha256=sha256_of(source.image),
                size=source.image.stat().st_size,
            )
        except OSError as error:
            raise ArtifactError(f"{source.image}: {error.strerror}") from error
        return Pin(provider=source.type, origin=str(source.image), items=(item,))

    def collect(
        self,
        pin: Pin,
        source: PathSource,
        tools: Tools,
        scratch: Path,
        progress: Progress,
    ) -> Collected:
        """Read the files. Raises ArtifactError for what can't be read."""
        return Collected(
            contents={"boot/vmlinuz": source.image.read_bytes()}, origin=pin.origin
        )
