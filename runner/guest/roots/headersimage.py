"""A kernel's headers as a disk for guests."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class HeadersImage:
    """A kernel's headers as a disk."""

    # Of the cache.
    key: str
    disk: Path
    # Folders on it: what /lib/modules/RELEASE/build and …/source mean.
    build: str
    source: str
