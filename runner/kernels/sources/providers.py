"""Which provider gets the kernels of which type of source."""

import importlib
from typing import Any

from runner.kernels.sources.source import Provider
from runner.matrix.matrix import (
    BaseSource,
    DebianSource,
    KernelOrgSource,
    OciSource,
    PathSource,
    SnapshotSource,
    UbuntuSource,
)

# A provider, or its module and class, which are imported when a row needs them: what
# talks to registries and archives takes longer to import than a guest takes to start.
PROVIDERS: dict[type[BaseSource], Provider[Any] | tuple[str, str]] = {
    DebianSource: ("debian", "Debian"),
    PathSource: ("localpath", "LocalPath"),
    SnapshotSource: ("snapshot", "Snapshot"),
    UbuntuSource: ("ubuntu", "Ubuntu"),
    KernelOrgSource: ("kernelorg", "KernelOrg"),
    OciSource: ("oci", "Oci"),
}


def of(source: BaseSource) -> Provider[Any] | None:
    """Return a source's provider, or None for one that nothing can provide."""
    found = PROVIDERS.get(type(source))
    if not isinstance(found, tuple):
        return found
    module, name = found
    made: Provider[Any] = getattr(
        importlib.import_module(f"runner.kernels.sources.{module}"), name
    )()
    register(type(source), made)
    return made


def register(source: type[BaseSource], provider: Provider[Any]) -> None:
    """Add the provider of a type of source that represents others."""
    PROVIDERS[source] = provider
