"""What a provider of kernels is: how a source is resolved, and its files collected."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from runner.files.cache import Cache
from runner.matrix.matrix import BaseSource
from runner.text.progress import Progress

# How long a resolution holds, in seconds: a week for what moves on, such as a suite;
# FOREVER for what its own name pins; LOCAL for what costs nothing to look at again.
WEEK = 7 * 24 * 3600.0
FOREVER = float("inf")
LOCAL = 0.0
PIN_AGAIN = "if the change is right, pin it again: python -m runner lock"


class Item(BaseModel):
    """One file that a pin names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # What it is: a package's or a file's name.
    name: str
    # Where it is: a URL, package=version, a path or a digest.
    location: str
    # Of the file, in hexadecimal; empty until the first download of what is published
    # with another checksum only.
    sha256: str = ""
    sha1: str = ""
    sha512: str = ""
    # In bytes; 0 when it is not known before the download.
    size: int = 0

    @property
    def identity(self) -> str:
        """What tells it from other files, before and after its first download."""
        return f"{self.name} {self.sha1 or self.sha512 or self.sha256}"

    @property
    def checksums(self) -> dict[str, str]:
        """What is known of its content, by algorithm."""
        return {"sha256": self.sha256, "sha1": self.sha1, "sha512": self.sha512}


class Pin(BaseModel):
    """A resolved source: exactly these files, today and later."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The source's `type`.
    provider: str
    # Upstream's version ("6.1.176"); empty when only the image says it.
    version: str = ""
    # Where it comes from, for people.
    origin: str
    items: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True)
class Collected:
    """A kernel's files, as a provider found them."""

    # By their path in a package: "boot/vmlinuz-6.1.0", "boot/config-6.1.0",
    # "boot/System.map-6.1.0", "lib/modules/6.1.0/kernel/….ko.xz",
    # "lib/modules/6.1.0/modules.builtin". Only the image must be there.
    contents: Mapping[str, bytes]
    # Where they come from, for people.
    origin: str
    # Upstream's version; empty when the image's release says it.
    version: str = ""
    # The ELF file, best with debug information; it may lie in the scratch folder.
    vmlinux: Path | None = None
    # Raw BTF that came with the kernel.
    btf: bytes | None = None
    # SHA-256 of items that were pinned without one, by their name.
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where a provider collects files."""

    # Its folders and locks; what is downloaded may be kept there.
    cache: Cache
    # For downloads; removed afterwards.
    scratch: Path
    progress: Progress
    # Whether the pin is a lock's: what it names may be gone, or have changed, since.
    locked: bool = False

    def other_file_hint(self, source: BaseSource) -> str:
        """Return what to do about another file than a source's pin has.

        Empty if the source's server told the checksum: neither row nor lock is wrong.
        """
        if source.tells_checksums:
            return "if the change is right, change the row's key sha256"
        return PIN_AGAIN if self.locked else ""


_Source = TypeVar("_Source", bound=BaseSource, contravariant=True)


class Provider(Protocol[_Source]):
    """Gets kernels from one type of source."""

    def resolve(self, source: _Source, cache: Cache) -> Pin:
        """Return exactly which files the source stands for now.

        Downloads no more than it takes to know. Raises ArtifactError.
        """

    def collect(self, pin: Pin, source: _Source, work: Workplace) -> Collected:
        """Return the pinned files, each verified against its checksum.

        The pin may be older than the process (from a lock file). Raises ArtifactError.
        """
