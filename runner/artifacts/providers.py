"""Which provider gets the kernels of which type of source."""

from typing import Any

from runner.artifacts.debian import Debian
from runner.artifacts.kernelorg import KernelOrg
from runner.artifacts.localpath import LocalPath
from runner.artifacts.oci import Oci
from runner.artifacts.snapshot import Snapshot
from runner.artifacts.source import Provider
from runner.artifacts.ubuntu import Ubuntu
from runner.matrix import (
    BaseSource,
    DebianSource,
    KernelOrgSource,
    OciSource,
    PathSource,
    SnapshotSource,
    UbuntuSource,
)

PROVIDERS: dict[type[BaseSource], Provider[Any]] = {
    DebianSource: Debian(),
    PathSource: LocalPath(),
    SnapshotSource: Snapshot(),
    UbuntuSource: Ubuntu(),
    KernelOrgSource: KernelOrg(),
    OciSource: Oci(),
}


def of(source: BaseSource) -> Provider[Any] | None:
    """Return a source's provider, or None for one that nothing can provide."""
    return PROVIDERS.get(type(source))


def register(source: type[BaseSource], provider: Provider[Any]) -> None:
    """Add the provider of a type of source that stands for others."""
    PROVIDERS[source] = provider
