"""Which provider gets the kernels of which type of source."""

from collections.abc import Mapping
from typing import Any

from runner.artifacts.debian import Debian
from runner.artifacts.localpath import LocalPath
from runner.artifacts.snapshot import Snapshot
from runner.artifacts.source import Provider
from runner.artifacts.ubuntu import Ubuntu
from runner.matrix import (
    BaseSource,
    DebianSource,
    PathSource,
    SnapshotSource,
    UbuntuSource,
)

PROVIDERS: Mapping[type[BaseSource], Provider[Any]] = {
    DebianSource: Debian(),
    PathSource: LocalPath(),
    SnapshotSource: Snapshot(),
    UbuntuSource: Ubuntu(),
}


def of(source: BaseSource) -> Provider[Any] | None:
    """Return a source's provider, or None for one that nothing can provide."""
    return PROVIDERS.get(type(source))
