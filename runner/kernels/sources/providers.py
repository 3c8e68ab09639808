"""Which provider gets the kernels of which type of source."""

import importlib
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels.sources.offer import Offer, OffersVersions
from runner.kernels.sources.source import (
    FOREVER,
    LOCAL,
    WEEK,
    Pin,
    Provider,
    Workplace,
)
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

    def resolve(self, source: UnavailableSource, cache: Cache) -> NoReturn:
        """Raise ArtifactError that says why."""
        raise ArtifactError(source.reason)

    def collect(self, pin: Pin, source: UnavailableSource, work: Workplace) -> NoReturn:
        """Raise ArtifactError that says why."""
        raise ArtifactError(source.reason)


@dataclass(frozen=True, kw_only=True)
class _Listed:
    # Seconds for which a resolution holds: WEEK, FOREVER or LOCAL.
    fresh: float
    # Or its module and class, which are imported when a row needs them: what talks to
    # registries and archives takes longer to import than a guest takes to start.
    provider: Provider[Any] | tuple[str, str]
    # Whether collecting takes neither network nor time.
    at_hand: bool = False


PROVIDERS: dict[type[BaseSource], _Listed] = {
    DebianSource: _Listed(fresh=WEEK, provider=("debian", "Debian")),
    PathSource: _Listed(
        fresh=LOCAL, provider=("localpath", "LocalFiles"), at_hand=True
    ),
    SnapshotSource: _Listed(fresh=FOREVER, provider=("snapshot", "SnapshotArchive")),
    UbuntuSource: _Listed(fresh=WEEK, provider=("ubuntu", "Ubuntu")),
    RpmSource: _Listed(fresh=WEEK, provider=("rpm.provider", "Rpm")),
    KernelOrgSource: _Listed(fresh=LOCAL, provider=("kernelorg", "KernelOrg")),
    OciSource: _Listed(fresh=WEEK, provider=("oci", "Oci")),
    UnavailableSource: _Listed(fresh=WEEK, provider=_Unavailable()),
}


def freshness(source: BaseSource) -> float:
    """Return the seconds for which a resolution of a source holds.

    WEEK, FOREVER or LOCAL. Imports nothing.
    """
    return PROVIDERS[type(source)].fresh


def is_at_hand(source: BaseSource) -> bool:
    """Whether collecting takes neither network nor time. Imports nothing."""
    return PROVIDERS[type(source)].at_hand


def of(source: BaseSource) -> Provider[Any]:
    """Return a source's provider."""
    entry = PROVIDERS[type(source)]
    if not isinstance(entry.provider, tuple):
        return entry.provider
    module, name = entry.provider
    made: Provider[Any] = getattr(
        importlib.import_module(f"runner.kernels.sources.{module}"), name
    )()
    PROVIDERS[type(source)] = replace(entry, provider=made)
    return made


def offers(source: BaseSource, cache: Cache) -> list[Offer]:
    """Return all versions that a source offers, the oldest first.

    Raises ArtifactError, also for a source that can't list them.
    """
    provider = _listing(source)
    if provider is None:
        raise ArtifactError(
            f"the source `{source.shown}` can't list its versions",
            hint="name them one by one: --versions ROW,ROW@VERSION,… takes rows of the "
            "matrix, also those of the sources path, oci and snapshot",
        )
    return provider.offers(source, cache)


def offer_of(pin: Pin, source: BaseSource) -> Offer | None:
    """Return the version that a pin of a source is; None if it can't list versions."""
    provider = _listing(source)
    return None if provider is None else provider.offer_of(pin, source)


def _listing(source: BaseSource) -> OffersVersions[Any] | None:
    """Return a source's provider if it can list the versions."""
    provider = of(source)
    if source.at("") is None or not isinstance(provider, OffersVersions):
        return None
    return provider


def register(source: type[BaseSource], provider: Provider[Any], fresh: float) -> None:
    """Add the provider of a type of source, and how long its resolutions hold."""
    PROVIDERS[source] = _Listed(fresh=fresh, provider=provider)
