"""The provider of `rpm` sources."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from runner.errors import ArtifactError, MissingFileError, NotOnServerError
from runner.files.cache import Cache
from runner.kernels import http
from runner.kernels.sources import packages, remote
from runner.kernels.sources.offer import Offer, order_of
from runner.kernels.sources.rpm import choice, keys, mirrors, repository
from runner.kernels.sources.rpm.choice import ChosenPackages
from runner.kernels.sources.rpm.keys import Keyring
from runner.kernels.sources.rpm.metadata import RpmPackage
from runner.kernels.sources.rpm.mirrors import Mirrors
from runner.kernels.sources.rpm.repository import RpmRepository
from runner.kernels.sources.rpm.version import Evr
from runner.kernels.sources.source import Collected, Item, Pin, Workplace
from runner.kernels.sources.spool import Spool
from runner.matrix.matrix import RpmSource
from runner.versions import KernelVersion

# Files of which a kernel has one, that a vendor may ship in two folders.
_SINGLE = (*packages.IMAGES, "config", "System.map", "modules.builtin")
# In a pin's origin, between the package and the repository.
_OF = " of "


class Rpm:
    """The provider of `rpm` sources."""

    def resolve(self, source: RpmSource, cache: Cache) -> Pin:
        """Ask the repository what it has. Raises ArtifactError."""
        if source.packages:
            return _given(source)
        with cache.scratch() as scratch:
            trust = _Trust(source, scratch)
            main = _open(_mirrors(source), source, trust, scratch)
            chosen = choice.choose(source, main)
            items = [_item(package, package.href) for package in chosen.packages]
            if source.debug_package:
                items.append(_debug_item(source, chosen, main, trust, scratch))
        return Pin(
            provider=source.type,
            version=_release(chosen.named),
            origin=f"{chosen.named.nevra}{_OF}{main.base}",
            items=tuple(items),
        )

    def offers(self, source: RpmSource, cache: Cache) -> list[Offer]:
        """Return all versions in the repository. Raises ArtifactError."""
        with cache.scratch() as scratch:
            trust = _Trust(source, scratch)
            return [
                _offer(package)
                for package in choice.versions(
                    source, _open(_mirrors(source), source, trust, scratch)
                )
            ]

    def offer_of(self, pin: Pin, source: RpmSource) -> Offer:
        """Return the version that a pin is: its origin begins with the package."""
        nevra = pin.origin.partition(_OF)[0]
        named, _, _ = nevra.removeprefix(f"{source.package}-").rpartition(".")
        evr = Evr.parse(named)
        return _offered(nevra, evr)

    def collect(self, pin: Pin, source: RpmSource, work: Workplace) -> Collected:
        """Download the pinned packages, verify and unpack them. Raises ArtifactError.

        What the repository dropped comes from the source's archive.
        """
        files = Spool(work.scratch / "files")
        checksums: dict[str, str] = {}
        vmlinux: Path | None = None
        trust = _Trust(source, work.scratch)
        bases = _mirrors(source).bases
        used: list[str] = []
        for item in pin.items:
            path = work.scratch / "package.rpm"
            base, checksums[item.name] = _download(item, source, bases, path, work)
            trust.check_package(path, item.name, base)
            if "://" not in item.location:
                used.append(base)
            if _is_debug(item, source):
                vmlinux = work.scratch / "vmlinux.debug"
                _extract(path, item, vmlinux)
            else:
                for name, content in packages.files(path, packages.is_of_kernel):
                    files.add(name, content)
            path.unlink()
        _drop_copies(files)
        return Collected(
            contents=files,
            origin=_origin_of(pin, used),
            # Upstream's, which the release begins with.
            version=str(KernelVersion.parse(pin.version)) if pin.version else "",
            vmlinux=vmlinux,
            checksums=checksums,
        )


# ---------------------------------------------------------------- what is there


def _origin_of(pin: Pin, bases: Iterable[str]) -> str:
    """Return where the files came from: another mirror may have had them."""
    used = ", ".join(dict.fromkeys(bases))
    # Packages by address have no repository.
    return f"{pin.origin.partition(_OF)[0]}{_OF}{used}" if used else pin.origin


def _given(source: RpmSource) -> Pin:
    return Pin(
        provider=source.type,
        origin=source.shown,
        items=tuple(
            Item(
                name=package.name,
                location=source.expanded(package.url),
                sha256=package.sha256,
            )
            for package in source.packages
        ),
    )


def _mirrors(source: RpmSource) -> Mirrors:
    """Return where the repository is. Raises ArtifactError."""
    return _place(source, source.baseurl, source.listed)


def _place(source: RpmSource, baseurl: str | None, listed: str | None) -> Mirrors:
    if listed:
        return mirrors.read(source.expanded(listed), source.expanded)
    bases = (source.expanded(baseurl).rstrip("/"),) if baseurl else ()
    return Mirrors(bases=bases)


def _open(
    place: Mirrors, source: RpmSource, trust: "_Trust", scratch: Path
) -> RpmRepository:
    names = choice.wanted(source)

    def check(base: str, repomd: bytes) -> None:
        place.check(base, repomd)
        trust.check_metadata(base, repomd)

    def attempt(base: str) -> RpmRepository:
        return repository.read(base, check, names.__contains__, scratch)

    return repository.first(place.bases, attempt)


def _item(package: RpmPackage, location: str) -> Item:
    if package.checksum.algorithm not in ("sha256", "sha512"):
        raise ArtifactError(
            f"{package.nevra} is published with a {package.checksum.algorithm}, and "
            "only sha256 and sha512 can be pinned"
        )
    return Item.model_validate(
        {
            "name": package.nevra,
            "location": location,
            "size": package.size,
            package.checksum.algorithm: package.checksum.value,
        }
    )


def _offer(package: RpmPackage) -> Offer:
    built = datetime.fromtimestamp(package.built, UTC).date() if package.built else None
    return _offered(package.nevra, package.evr, date=str(built or ""))


def _offered(nevra: str, evr: Evr, date: str = "") -> Offer:
    version = f"{evr.version}-{evr.release}"
    order = order_of("rpm", version, evr)
    return Offer(version=version, package=nevra, order=order, date=date)


def _release(package: RpmPackage) -> str:
    """Return what `uname -r` says with all vendors but SUSE; empty if it is no version.

    Vendors' ranges ("rhel>=9.4") need it.
    """
    release = f"{package.evr.version}-{package.evr.release}.{package.arch}"
    try:
        KernelVersion.parse(release)
    except ValueError:
        # The image says it.
        return ""
    return release


def _debug_item(
    source: RpmSource,
    chosen: ChosenPackages,
    main: RpmRepository,
    trust: "_Trust",
    scratch: Path,
) -> Item:
    assert source.debug_package is not None
    where = main
    if source.has_debug_repository:
        place = _place(source, source.debug_baseurl, source.debug_listed)
        where = _open(place, source, trust, scratch)
    found = choice.same_version(
        source.debug_package, chosen.named, where, "debug_package", source.basearch
    )
    # With its address, if it is in a repository of its own.
    href = repository.address(where.base, found.href)
    return _item(found, found.href if where is main else href)


# --------------------------------------------------------------- who is trusted


class _Trust:
    """Whom a source trusts; its keys are fetched when they are needed."""

    def __init__(self, source: RpmSource, scratch: Path) -> None:
        self._source = source
        self._folder = scratch / "keys"
        self._folder.mkdir()
        self._made: dict[str, Keyring] = {}

    @property
    def _has_keys(self) -> bool:
        return bool(self._source.keys or self._source.fingerprints)

    def check_metadata(self, base: str, repomd: bytes) -> None:
        """Refuse a repomd.xml whose signature is wrong, or missing and required."""
        if not self._has_keys:
            return
        url = f"{base}/repodata/repomd.xml"
        try:
            signature = http.small(f"{url}.asc")
        except (NotOnServerError, http.ForbiddenError) as error:
            if not self._source.repo_gpgcheck:
                return
            raise ArtifactError(
                f"{url} is not signed: there is no repomd.xml.asc",
                hint="repo_gpgcheck: false accepts that; packages are then checked all "
                "the same",
            ) from error
        self._keyring(base).check_file(signature, repomd, url)

    def check_package(self, path: Path, name: str, base: str) -> None:
        """Refuse a package that is damaged, or signed by nobody who is trusted."""
        if self._source.gpgcheck and self._has_keys:
            self._keyring(base).check_package(path, name)
        else:
            keys.check_digests(path, name, self._folder / "none")

    def _keyring(self, base: str) -> Keyring:
        # The repository's own key is another file on each mirror.
        place = "" if self._source.keys else base
        if place not in self._made:
            folder = self._folder / str(len(self._made))
            self._made[place] = keys.keyring(
                self._files(base), self._source.fingerprints, folder
            )
        return self._made[place]

    def _files(self, base: str) -> Mapping[str, bytes]:
        named = self._source.keys or (f"{base}/repodata/repomd.xml.key",)
        return {it: _read_key(self._source.expanded(it)) for it in named}


def _read_key(location: str) -> bytes:
    if "://" in location:
        return http.small(location)
    try:
        return Path(location).read_bytes()
    except FileNotFoundError as error:
        raise MissingFileError(
            f"gpgkey: {location} does not exist",
            hint="download the vendor's public key to it",
        ) from error
    except OSError as error:
        raise ArtifactError(f"gpgkey: {location}: {error.strerror}") from error


# -------------------------------------------------------------- getting packages


def _download(
    item: Item, source: RpmSource, bases: Sequence[str], path: Path, work: Workplace
) -> tuple[str, str]:
    """Write a package to a path; return its repository's address, and its SHA-256."""
    size = f" ({item.size / 1e6:.1f} MB)" if item.size else ""

    def attempt(base: str) -> tuple[str, str]:
        sha256 = http.download(
            repository.address(base, item.location),
            path,
            checksums=item.checksums,
            progress=work.progress,
            name=item.name + size,
            size=item.size,
            most=item.size or None,
            hint=work.other_file_hint(source),
        )
        return base, sha256

    try:
        # An address needs no repository.
        return repository.first(bases or [""], attempt)
    except ArtifactError as error:
        return _from_archive(source, attempt, error, work)


def _from_archive(
    source: RpmSource,
    attempt: Callable[[str], tuple[str, str]],
    failure: ArtifactError,
    work: Workplace,
) -> tuple[str, str]:
    """Return what the source's archive keeps of what its repository dropped.

    Raises NotOnServerError if it is nowhere, and ArtifactError for any other failure
    than that, if no lock pins the package.
    """
    gone = isinstance(failure, NotOnServerError | http.ForbiddenError)
    if source.archive is None and gone and not source.packages:
        hint = _DROPPED if work.locked else _AMID_UPDATE
        raise NotOnServerError(failure.message, hint=hint)
    if source.archive is None or not (gone or work.locked):
        raise failure
    try:
        return attempt(source.expanded(source.archive).rstrip("/"))
    except ArtifactError as error:
        raise (NotOnServerError if gone else ArtifactError)(
            f"{failure.message}; and {error.message}",
            hint=f"check the key archive; {_CURRENT if work.locked else _AMID_UPDATE}",
        ) from error


_CURRENT = (
    "without --locked, or after `python -m runner lock`, the repository's current "
    "package is used"
)
_AMID_UPDATE = (
    "the repository's metadata names it, so the repository may be in the middle of an "
    "update: try again later"
)
_DROPPED = f"the key archive names a repository that keeps old packages; {_CURRENT}"


def _is_debug(item: Item, source: RpmSource) -> bool:
    # Of packages by address only the name says it.
    return "-debuginfo-" in item.name or (
        source.debug_package is not None
        and item.name.startswith(f"{source.debug_package}-")
    )


def _extract(path: Path, item: Item, target: Path) -> None:
    if packages.extract(path, remote.is_debug_vmlinux, target) is None:
        raise ArtifactError(
            f"{item.name} contains no vmlinux",
            hint="check the key debug_package: kernel-debuginfo, kernel-uek-debuginfo, "
            "kernel-default-debuginfo",
        )


def _drop_copies(files: Spool) -> None:
    """Keep one of equal files: some vendors ship them in /boot and in /lib/modules."""
    seen: set[tuple[str, bytes]] = set()
    for path in _single(files):
        name = PurePosixPath(path).name.partition("-")[0]
        copy = (name, hashlib.sha256(files[path]).digest())
        if copy in seen:
            files.discard(path)
        seen.add(copy)


def _single(files: Iterable[str]) -> list[str]:
    return [
        path for path in files if PurePosixPath(path).name.partition("-")[0] in _SINGLE
    ]
