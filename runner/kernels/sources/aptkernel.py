"""Which packages of an APT archive hold a kernel, and its files out of them.

What Debian and Ubuntu have in common: metapackages lead to the kernel's image, and the
image depends on packages of the same release that hold the rest.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from debian.debian_support import Version

from runner.errors import ArtifactError, NotOnServerError
from runner.files.cache import sha256_of
from runner.kernels import http
from runner.kernels.sources import apt, aptrefusals, packages, remote
from runner.kernels.sources.apt import Archive, Package
from runner.kernels.sources.aptplace import AptPlace
from runner.kernels.sources.offer import Offer, order_of
from runner.kernels.sources.source import Collected, Item, Pin, Workplace
from runner.kernels.sources.spool import Spool
from runner.text.nearest import nearest

# A package that names a release: linux-image-6.1.0-50-cloud-amd64, or Ubuntu's
# linux-image-unsigned-5.15.0-91-generic.
_IMAGE = re.compile(r"linux-image-(?:unsigned-)?(\d.*)")
_IMAGES = "linux-image-"
_UNWANTED = ("-dbg", "-dbgsym", "-unsigned")
# What a release begins with: "6.1.0-50-", "6.12.90+deb13.1-", "6.1.0-0.deb11.48-".
_NUMBERS = re.compile(r"\d[^-]*-(?:(?:\d[^-]*|rc\d+|trunk)-)*")
# Versions that an error lists.
_MOST_SHOWN = 5
_AMID_UPDATE = (
    "the archive may be in the middle of an update: try again later, or name an exact "
    "package"
)


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A kernel's packages."""

    # The suite, or the first of several.
    suite: str
    # The one that holds the image.
    image: Package
    # All that hold its files, the image among them.
    packages: tuple[Package, ...]

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        return f"{self.suite} {self.image.name} {self.image.version}"

    @property
    def release(self) -> str:
        """What `uname -r` says."""
        return release_of(self.image)


def release_of(image: Package) -> str:
    """Return the release that an image's package is named after."""
    found = _IMAGE.fullmatch(image.name)
    assert found is not None
    return found[1]


def resolve(pattern: str, archive: Archive, version: str = "") -> Resolved:
    """Return the newest kernel that a package or pattern means, or one of its version.

    Raises ArtifactError for a package that the archive lacks, naming similar ones.
    """
    if version:
        image = _exactly(version, pattern, archive)
    else:
        image = _follow(_newest(pattern, archive), archive)
    return Resolved(
        suite=archive.place.name,
        image=image,
        packages=(image, *_parts(image, archive)),
    )


def _newest(pattern: str, archive: Archive) -> Package:
    prefix = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    matching = [
        name
        for name in archive.names(prefix)
        if fnmatchcase(name, pattern) and not name.endswith(_UNWANTED)
    ]
    found = archive.describe(matching)
    if not found:
        raise ArtifactError(
            f"{archive.place.name} has no package {pattern}",
            hint=_similar(pattern, archive),
        )
    return max(found, key=lambda package: Version(package.version))


def _follow(package: Package, archive: Archive) -> Package:
    """Return the kernel that a metapackage leads to, or the package itself.

    A metapackage may lead to another: linux-generic to linux-image-generic.
    """
    waiting, seen, missing = [package], set[str](), list[str]()
    while waiting:
        found = waiting.pop(0)
        if _IMAGE.fullmatch(found.name):
            return found
        seen.add(found.name)
        for names in found.depends:
            images = [it for it in names if it.startswith(_IMAGES) and it not in seen]
            there = _first(images, archive)
            waiting += there
            missing += images[:1] if images and not there else []
    where = archive.place.name
    if missing:
        raise ArtifactError(
            f"{where} has no package {missing[0]}, which {package.name} needs",
            hint=_AMID_UPDATE,
        )
    raise ArtifactError(
        f"{where}: {package.name} is not a kernel and depends on none",
        hint="use a linux-image package",
    )


def _first(names: list[str], archive: Archive) -> list[Package]:
    """Return the first of alternatives that the archive has, if it has any."""
    found = {package.name: package for package in archive.describe(names)}
    return [found[name] for name in names if name in found][:1]


def images(pattern: str, archive: Archive) -> list[Package]:
    """Return every version of the kernel that a package or pattern means.

    Of a metapackage, all images of its kernel's flavour; of a pattern, those that match
    it. The oldest first, each version once. Raises as `resolve` does.
    """
    newest = _newest(pattern, archive)
    flavour = flavour_of(release_of(_follow(newest, archive)))
    is_meta = _IMAGE.fullmatch(newest.name) is None
    names = [
        name
        for name in archive.names(_IMAGES)
        if (named := _IMAGE.fullmatch(name))
        and not name.endswith(_UNWANTED)
        and flavour_of(named[1]) == flavour
        and (is_meta or fnmatchcase(name, pattern))
    ]
    # Ubuntu's signed images first: they are what a metapackage leads to.
    found = sorted(archive.versions(*names), key=lambda it: len(it.name))
    once: dict[tuple[str, str], Package] = {}
    for package in found:
        # linux-image-6.1-cloud-amd64 is a metapackage, too.
        leads_on = any(it.startswith(_IMAGES) for its in package.depends for it in its)
        if not leads_on:
            once.setdefault((release_of(package), package.version), package)
    return sorted(once.values(), key=lambda it: Version(it.version))


def offers(pattern: str, archive: Archive) -> list[Offer]:
    """Return the same, as what bisect and sweep choose from."""
    return [_offer(it.name, it.version) for it in images(pattern, archive)]


def offer_of(pin: Pin) -> Offer:
    """Return the version that a pin is; its image is the first item."""
    image = pin.items[0]
    return _offer(image.name, image.location.partition("=")[2])


def _offer(package: str, version: str) -> Offer:
    return Offer(
        version=version,
        package=package,
        order=order_of("deb", version, Version(version)),
    )


def flavour_of(release: str) -> str:
    """Return what a release ends with that is no version: "cloud-amd64", "generic"."""
    return _NUMBERS.sub("", release, count=1)


def _exactly(version: str, pattern: str, archive: Archive) -> Package:
    """Return the image of a version, as its package or `uname -r` has it."""
    there = images(pattern, archive)
    for package in reversed(there):
        release = release_of(package)
        abi = release.removesuffix(f"-{flavour_of(release)}")
        if version in (package.version, abi, release):
            return package
    known = [it.version for it in there]
    near = nearest(version, known, _MOST_SHOWN) or known[-_MOST_SHOWN:]
    more = f", and {len(known) - len(near)} others" if len(known) > len(near) else ""
    raise ArtifactError(
        f"{archive.place.name} has no {pattern} of version {version}",
        hint=f"it has {', '.join(near)}{more}",
    )


def _parts(image: Package, archive: Archive) -> Iterator[Package]:
    """Yield the packages of the image's release that it depends on.

    Ubuntu's modules are in one, and Debian splits all off from 7.x on.
    """
    release = release_of(image)
    for names in image.depends:
        own = [name for name in names if name.endswith(f"-{release}")]
        if own:
            yield part(own[0], image, archive)


def part(
    name: str, image: Package, archive: Archive, *, needed_by: str = ""
) -> Package:
    """Return a package of an image's version. Raises ArtifactError if there is none.

    `needed_by` is what asks for it, if it is not the image.
    """
    found = archive.versions(name)
    for package in found:
        if package.version == image.version:
            return package
    if found:
        return found[0]
    raise ArtifactError(
        f"{archive.place.name} has no package {name}, which "
        f"{needed_by or image.name} needs",
        hint=_AMID_UPDATE,
    )


def _similar(pattern: str, archive: Archive) -> str:
    names = [name for name in archive.names(_IMAGES) if not name.endswith(_UNWANTED)]
    near = nearest(pattern, names, most=3, cutoff=0.3) or names[:3]
    return f"there are {', '.join(near)}" if near else "it has no kernel"


# -------------------------------------------------------------- getting packages


@dataclass(frozen=True, kw_only=True)
class OldPackages:
    """Where packages are that an archive dropped: a lock outlives a suite."""

    # For people.
    name: str
    # The row's key that names it.
    key: str
    # Returns an item whose location is an address. Raises ArtifactError.
    find: Callable[[Item], Item]


def collect(
    pin: Pin,
    place_of: Callable[[Item], AptPlace],
    old: OldPackages | None,
    work: Workplace,
) -> Collected:
    """Download the pinned packages, and unpack them.

    Of packages with debug information only the vmlinux is kept, in the scratch folder.
    Raises ArtifactError with apt's words.
    """
    files = Spool(work.scratch / "files")
    vmlinux: Path | None = None
    for item in pin.items:
        path = download(item, place_of(item), old, work)
        if is_debug(item):
            vmlinux = work.scratch / "vmlinux.debug"
            if packages.extract(path, remote.is_debug_vmlinux, vmlinux) is None:
                raise ArtifactError(f"{item.name} contains no vmlinux")
        else:
            for name, content in packages.files(path, packages.is_of_kernel):
                files.add(name, content)
        path.unlink()
    return Collected(contents=files, origin=pin.origin, vmlinux=vmlinux)


def is_debug(item: Item) -> bool:
    """Whether a package holds debug information."""
    return item.name.endswith(("-dbg", "-dbgsym"))


def download(
    item: Item, place: AptPlace, old: OldPackages | None, work: Workplace
) -> Path:
    """Return a package that an archive has, or once had.

    Old packages are asked for what a lock pins and for what the archive says is gone,
    not instead of a damaged file. Raises NotOnServerError if neither has it, and
    ArtifactError with apt's words, and for another file than was pinned.
    """
    try:
        with work.progress.task(_title(item)) as task:
            archive = apt.holding(item, place, work.cache)
            path = archive.download(item, work.scratch, task.advance_to)
        if sha256_of(path) != item.sha256:
            raise http.DamagedError(
                f"{path.name} differs from the index", hint=http.AMID_UPDATE
            )
        return path
    except http.DamagedError:
        raise
    except ArtifactError as error:
        gone = isinstance(error, NotOnServerError)
        if not gone and not work.locked:
            raise
        if old is None:
            hint = f"{_NO_OLD}; {_CURRENT}" if work.locked else error.hint
            raise _kind(error)(error.message, hint=hint) from error
        return _from_old(item, old, error, work)


def _from_old(
    item: Item, old: OldPackages, failure: ArtifactError, work: Workplace
) -> Path:
    version = item.location.partition("=")[2]
    work.progress.message(
        f"{failure.message}: looking for {item.name} {version} in {old.name}"
    )
    try:
        found = old.find(item)
        path = work.scratch / f"{item.name}.deb"
        http.download(
            found.location,
            path,
            checksums={**found.checksums, "sha256": item.sha256},
            progress=work.progress,
            name=_title(item),
            size=item.size,
        )
        return path
    except ArtifactError as error:
        raise _kind(failure)(
            f"{failure.message}; and {error.message}",
            hint=f"the key {old.key} names another place; "
            + (_CURRENT if work.locked else aptrefusals.GONE),
        ) from error


def _kind(failure: ArtifactError) -> type[ArtifactError]:
    gone = isinstance(failure, NotOnServerError)
    return NotOnServerError if gone else ArtifactError


_NO_OLD = "the key old_packages names a folder that keeps what the archive drops"
_CURRENT = (
    "without --locked, or after `python -m runner lock`, the current version is used"
)


def _title(item: Item) -> str:
    return f"{item.name} ({item.size / 1e6:.1f} MB)"
