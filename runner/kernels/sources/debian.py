"""Kernels of Debian's suites."""

from dataclasses import replace
from pathlib import Path

from runner.arch import Architecture, named
from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels.sources import apt, aptkernel, snapshot
from runner.kernels.sources.apt import Package
from runner.kernels.sources.aptkernel import OldPackages
from runner.kernels.sources.aptplace import AptPlace
from runner.kernels.sources.offer import Offer
from runner.kernels.sources.source import Collected, Item, Pin, Workplace
from runner.matrix.matrix import DebianSource, DebugPackageBtf
from runner.versions import KernelVersion

_HEADERS = "linux-headers-"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Debian:
    """The provider of `debian` sources."""

    def resolve(self, source: DebianSource, cache: Cache) -> Pin:
        """Ask the suite's index. Raises ArtifactError with apt's words."""
        debug: tuple[Package, ...] = ()
        with apt.fresh(place(source), cache) as archive:
            found = aptkernel.resolve(source.wanted_package, archive, source.version)
            if source.debug:
                name = f"{found.image.name}-dbg"
                by = "the key debug"
                debug = (aptkernel.part(name, found.image, archive, needed_by=by),)
        return Pin(
            provider=source.type,
            # Which `uname -r` of Debian's kernels does not tell.
            version=str(KernelVersion.parse(found.image.version)),
            origin=found.origin,
            items=tuple(package.item for package in (*found.packages, *debug)),
        )

    def offers(self, source: DebianSource, cache: Cache) -> list[Offer]:
        """Return all versions in the suite. Raises ArtifactError with apt's words."""
        with apt.fresh(place(source), cache) as archive:
            return aptkernel.offers(source.wanted_package, archive)

    def offer_of(self, pin: Pin, source: DebianSource) -> Offer:
        """Return the version that a pin is."""
        return aptkernel.offer_of(pin)

    def collect(self, pin: Pin, source: DebianSource, work: Workplace) -> Collected:
        """Download the pinned packages, from Debian's archive if the mirror moved on.

        Raises ArtifactError with apt's words.
        """
        suite = place(source)
        made = aptkernel.collect(
            pin, lambda _: suite, _old(source.archive, named(source.arch)), work
        )
        return replace(made, version=pin.version)


def mirror() -> str:
    """Return the address of the Debian mirror that this machine is set up with.

    Raises ArtifactError that names the setting when there is none.
    """
    return _mirror(security=False)


def debug_place(setting: DebugPackageBtf, architecture: Architecture) -> AptPlace:
    """Return the suite that a row's key btf names. Raises ArtifactError."""
    assert setting.suite is not None
    return _suite(setting.suite, architecture)


def download_debug(
    item: Item, setting: DebugPackageBtf, architecture: Architecture, work: Workplace
) -> Path:
    """Return a suite's package with debug information. Raises ArtifactError."""
    place = debug_place(setting, architecture)
    return aptkernel.download(item, place, _old(setting.archive, architecture), work)


def headers(release: str, source: DebianSource, cache: Cache) -> tuple[Item, ...]:
    """Return the packages with a kernel's headers, and what these share with others.

    `release` is what `uname -r` says. Raises ArtifactError if the suite has none.
    """
    name = f"{_HEADERS}{release}"
    with apt.fresh(place(source), cache) as archive:
        found = archive.describe([name])
        if not found:
            raise ArtifactError(
                f"{archive.place.name} has no package {name}",
                hint="the suite moved on: python -m runner fetch --refresh gets its "
                "newest kernel",
            )
        shared = [
            names[0] for names in found[0].depends if names[0].startswith(_HEADERS)
        ]
        return tuple(it.item for it in (found[0], *archive.describe(shared)))


def download(item: Item, source: DebianSource, work: Workplace) -> Path:
    """Return a package of a row's suite. Raises ArtifactError with apt's words."""
    return aptkernel.download(
        item, place(source), _old(source.archive, named(source.arch)), work
    )


def place(source: DebianSource) -> AptPlace:
    """Return the suite that a row names. Raises ArtifactError."""
    found = _suite(source.suite, named(source.arch), source.mirror or "")
    if source.mirror is not None:
        found = replace(found, check_valid_until=source.check_valid_until)
    if source.keyring is not None:
        found = replace(found, keyring=source.keyring, keyring_packages="")
    return found


def suite_of(suite: str, architecture: Architecture) -> AptPlace:
    """Return a suite of this machine's mirror. Raises ArtifactError."""
    return _suite(suite, architecture)


def _suite(suite: str, architecture: Architecture, address: str = "") -> AptPlace:
    return AptPlace(
        address=address or _mirror(security=suite.endswith(apt.SECURITY)),
        suites=(suite,),
        architecture=architecture.debian.name,
        keyring=KEYRING,
        keyring_packages="Debian's package debian-archive-keyring",
        hint=f"check that the mirror {'of the row' if address else _SOURCES} is "
        f"reachable and has {suite}",
    )


_SOURCES = "of /etc/apt/sources.list.d"


def _mirror(*, security: bool) -> str:
    found = apt.mirror("Debian", security=security)
    if found:
        return found
    what = "mirror of Debian's security updates" if security else "Debian mirror"
    raise ArtifactError(
        f"apt knows no {what} on this machine",
        hint="add one to /etc/apt/sources.list.d, then run: apt-get update; or name "
        "one with the key mirror",
    )


def _old(archive: str, architecture: Architecture) -> OldPackages:
    def find(item: Item) -> Item:
        version = item.location.partition("=")[2]
        return snapshot.find(archive, item.name, version, architecture)

    return OldPackages(name=archive, key="archive", find=find)
