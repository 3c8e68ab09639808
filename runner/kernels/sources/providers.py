"""Which provider gets the kernels of which type of source."""

import importlib
from typing import Any, NoReturn

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels.sources.source import WEEK, Pin, Provider, Workplace
from runner.matrix.matrix import (
    BaseSource,
    DebianSource,
    KernelOrgSource,
    OciSource,
    PathSource,
    RpmSource,
    SnapshotSource,
    UbuntuSource,
    UnavailableSource,
)


class _Unavailable:
    """The provider of kernels that no source can provide."""

    fresh = WEEK
    at_hand = False

    def resolve(self, source: UnavailableSource, cache: Cache) -> NoReturn:
        """Raise ArtifactError that says why."""
        raise ArtifactError(source.reason)

    def collect(self, pin: Pin, source: UnavailableSource, work: Workplace) -> NoReturn:
        """Raise ArtifactError that says why."""
        raise ArtifactError(source.reason)


# A provider, or its module and class, which are imported when a row needs them: what
# talks to registries and archives takes longer to import than a guest takes to start.
PROVIDERS: dict[type[BaseSource], Provider[Any] | tuple[str, str]] = {
    DebianSource: ("debian", "Debian"),
    PathSource: ("localpath", "LocalFiles"),
    SnapshotSource: ("snapshot", "SnapshotArchive"),
    UbuntuSource: ("ubuntu", "Ubuntu"),
    RpmSource: ("rpm.provider", "Rpm"),
    KernelOrgSource: ("kernelorg", "KernelOrg"),
    OciSource: ("oci", "Oci"),
    UnavailableSource: _Unavailable(),
}


def of(source: BaseSource) -> Provider[Any]:
    """Return a source's provider."""
    found = PROVIDERS[type(source)]
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
