"""Kernels of Ubuntu's series, and packages of Ubuntu's by address."""

from runner.arch import Architecture, named, native
from runner.files.cache import Cache
from runner.kernels.sources import apt, aptkernel, remote, ubuntukeys
from runner.kernels.sources.apt import Package
from runner.kernels.sources.aptkernel import OldPackages, Resolved
from runner.kernels.sources.aptplace import AptPlace
from runner.kernels.sources.offer import Offer
from runner.kernels.sources.source import Collected, Item, Pin, Workplace
from runner.matrix.matrix import RELEASE_POCKET, UbuntuSource

# Security updates' debug information is in the pocket updates.
_NOT_OF_DEBUG = "security"


class Ubuntu:
    """The provider of `ubuntu` sources."""

    def resolve(self, source: UbuntuSource, cache: Cache) -> Pin:
        """Ask the series' indices, unless the row has the addresses.

        Raises ArtifactError with apt's words.
        """
        if source.packages:
            return _given(source)
        with apt.fresh(_place(source, cache), cache) as archive:
            found = aptkernel.resolve(source.package, archive, source.version)
            extra = _extra(found, archive) if source.extra_modules else ()
        debug = _debug(source, found, cache) if source.debug else ()
        return Pin(
            provider=source.type,
            # Of the upstream version its own says less: "5.15.0".
            version=found.release,
            origin=found.origin,
            items=tuple(it.item for it in (*found.packages, *extra, *debug)),
        )

    def offers(self, source: UbuntuSource, cache: Cache) -> list[Offer]:
        """Return all versions of the series. Raises ArtifactError with apt's words."""
        with apt.fresh(_place(source, cache), cache) as archive:
            return aptkernel.offers(source.package, archive)

    def offer_of(self, pin: Pin, source: UbuntuSource) -> Offer:
        """Return the version that a pin is."""
        return aptkernel.offer_of(pin)

    def collect(self, pin: Pin, source: UbuntuSource, work: Workplace) -> Collected:
        """Download the pinned packages, from the row's keeper if they were dropped.

        Raises ArtifactError with apt's words.
        """
        if source.packages:
            return remote.collect(pin, source, work)
        place = _place(source, work.cache)

        def place_of(item: Item) -> AptPlace:
            return (
                _debug_place(source, work.cache) if aptkernel.is_debug(item) else place
            )

        return aptkernel.collect(
            pin, place_of, _old(source.keeper, named(source.arch)), work
        )


def _given(source: UbuntuSource) -> Pin:
    return Pin(
        provider=source.type,
        origin=source.shown,
        items=tuple(
            Item(name=package.name, location=package.url, sha256=package.sha256)
            for package in source.packages
        ),
    )


def _extra(found: Resolved, archive: apt.Archive) -> tuple[Package, ...]:
    name = f"linux-modules-extra-{found.release}"
    by = "the key extra_modules"
    return (aptkernel.part(name, found.image, archive, needed_by=by),)


def _debug(source: UbuntuSource, found: Resolved, cache: Cache) -> tuple[Package, ...]:
    # Of a signed image, too: its debug information is the unsigned one's.
    name = f"linux-image-unsigned-{found.release}-dbgsym"
    with apt.fresh(_debug_place(source, cache), cache) as archive:
        there = archive.names(name)
        name = name if there else f"linux-image-{found.release}-dbgsym"
        return (aptkernel.part(name, found.image, archive, needed_by="the key debug"),)


def _place(source: UbuntuSource, cache: Cache) -> AptPlace:
    architecture = named(source.arch)
    mirror = "" if source.archive else _mirror(architecture)
    address = source.archive or mirror or architecture.ubuntu
    return AptPlace(
        address=address,
        suites=_suites(source, source.pockets),
        components=source.components,
        architecture=architecture.debian.name,
        keyring=source.keyring or ubuntukeys.find(ubuntukeys.ARCHIVE_KEYS, cache),
        # A mirror of the machine's is as its apt.conf says.
        check_valid_until=None if mirror else source.check_valid_until,
        hint=f"check that {address} is reachable and has {source.series}; series that "
        "Ubuntu ended are at http://old-releases.ubuntu.com/ubuntu",
    )


def _mirror(architecture: Architecture) -> str:
    """Return this machine's mirror, or "" if it is none of an architecture's archive.

    Ubuntu has two: for PCs, and for all others (ports).
    """
    own = native()
    of_same = own is not None and own.ubuntu == architecture.ubuntu
    return apt.mirror("Ubuntu") if of_same else ""


def _debug_place(source: UbuntuSource, cache: Cache) -> AptPlace:
    pockets = tuple(it for it in source.pockets if it != _NOT_OF_DEBUG)
    keyring = source.debug_keyring or ubuntukeys.find(ubuntukeys.DEBUG_KEYS, cache)
    return AptPlace(
        address=source.debug_archive,
        suites=_suites(source, pockets or (RELEASE_POCKET,)),
        components=source.components,
        architecture=named(source.arch).debian.name,
        keyring=keyring,
        hint="the key debug_archive sets another archive of debug information",
    )


def _suites(source: UbuntuSource, pockets: tuple[str, ...]) -> tuple[str, ...]:
    assert source.series is not None
    return tuple(
        source.series if it == RELEASE_POCKET else f"{source.series}-{it}"
        for it in pockets
    )


def _old(folder: str | None, architecture: Architecture) -> OldPackages | None:
    if folder is None:
        return None

    def find(item: Item) -> Item:
        # File names have no epoch.
        version = item.location.partition("=")[2].rpartition(":")[2]
        suffix = "ddeb" if aptkernel.is_debug(item) else "deb"
        file = f"{item.name}_{version}_{architecture.debian.name}.{suffix}"
        return item.model_copy(update={"location": f"{folder.rstrip('/')}/{file}"})

    return OldPackages(name=folder, key="old_packages", find=find)
