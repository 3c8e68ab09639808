"""Which packages of a Debian suite hold a kernel."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from debian.debian_support import Version

from runner.errors import ArtifactError
from runner.files.cache import Cache, sha256_of
from runner.kernels import http
from runner.kernels.sources import apt, packages, snapshot
from runner.kernels.sources.apt import Archive, Package
from runner.kernels.sources.source import WEEK, Collected, Item, Pin, Workplace
from runner.matrix.matrix import DebianSource, DebugPackageBtf
from runner.text.nearest import nearest
from runner.versions import KernelVersion

# A package that names a release: linux-image-6.1.0-50-cloud-amd64.
_IMAGE = re.compile(r"linux-image-(\d.*)")
_UNWANTED = ("-dbg", "-unsigned")
# From 7.x on the image is split, and linux-image-RELEASE only pulls these in.
_PARTS = ("linux-binary-", "linux-modules-", "linux-base-")


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A kernel's packages."""

    suite: str
    # linux-image-RELEASE.
    image: Package
    # All that hold its files, the image among them.
    packages: tuple[Package, ...]

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        return f"{self.suite} {self.image.name} {self.image.version}"

    @property
    def version(self) -> KernelVersion:
        """The upstream version, which `uname -r` of Debian's kernels does not tell."""
        return KernelVersion.parse(self.image.version)


class Debian:
    """The provider of `debian` sources."""

    fresh = WEEK
    at_hand = False

    def resolve(self, source: DebianSource, cache: Cache) -> Pin:
        """Ask the suite's index. Raises ArtifactError with apt's words."""
        folder = cache.folder("apt") / source.suite
        with cache.locked(f"apt-{source.suite}"):
            found = resolve(source, apt.open_suite(source.suite, folder))
        return Pin(
            provider=source.type,
            version=str(found.version),
            origin=found.origin,
            items=tuple(package.item for package in found.packages),
        )

    def collect(self, pin: Pin, source: DebianSource, work: Workplace) -> Collected:
        """Download the pinned packages, from Debian's archive if the mirror moved on.

        Raises ArtifactError with apt's words.
        """
        contents: dict[str, bytes] = {}
        for item in pin.items:
            path = download(item, source, work)
            contents |= packages.files(path, packages.is_of_kernel)
            path.unlink()
        return Collected(contents=contents, origin=pin.origin, version=pin.version)


# What names a suite, and the archive of what suites once had.
Carrier = DebianSource | DebugPackageBtf


def download(item: Item, carrier: Carrier, work: Workplace) -> Path:
    """Return a package that the mirror has, or once had: a lock outlives a suite.

    Raises ArtifactError with apt's words, and for another file than was pinned.
    """
    try:
        with work.progress.task(_title(item)) as task:
            path = _from_mirror(item, carrier, work, task.advance_to)
    except ArtifactError as error:
        gone = error
    else:
        if sha256_of(path) != item.sha256:
            raise ArtifactError(f"{path.name} differs from the index")
        return path
    version = item.location.partition("=")[2]
    work.progress.message(
        f"{gone.message}: looking for {item.name} {version} in {carrier.archive}"
    )
    try:
        found = snapshot.find(carrier.archive, item.name, version)
        path = work.scratch / f"{item.name}_{version}_{apt.ARCHITECTURE}.deb"
        http.download(
            found.location,
            path,
            checksums=item.checksums | {"sha1": found.sha1},
            progress=work.progress,
            name=_title(item),
        )
        return path
    except ArtifactError as error:
        raise ArtifactError(
            f"{gone.message}; and {error.message}",
            hint="use the key archive to name another archive; without --locked, or "
            "after `python -m runner lock`, the mirror's current version is used",
        ) from error


def _title(item: Item) -> str:
    return f"{item.name} ({item.size / 1e6:.1f} MB)"


def _from_mirror(
    item: Item, carrier: Carrier, work: Workplace, advance: apt.Advance
) -> Path:
    assert carrier.suite is not None
    state = work.cache.folder("apt") / carrier.suite
    with work.cache.locked(f"apt-{carrier.suite}"):
        archive = apt.known_suite(carrier.suite, state)
        if not archive.has(item):
            # The index may be older than the pin.
            archive = apt.open_suite(carrier.suite, state)
    return archive.download(item, work.scratch, advance)


def resolve(source: DebianSource, archive: Archive) -> Resolved:
    """Return the newest kernel that a source's package or pattern means.

    Raises ArtifactError for a package that the suite lacks, naming similar ones.
    """
    image = _follow(_newest(source, archive), archive)
    release = image.name.removeprefix("linux-image-")
    parts = archive.describe([f"{part}{release}" for part in _PARTS if _splits(image)])
    return Resolved(suite=source.suite, image=image, packages=(image, *parts))


def _newest(source: DebianSource, archive: Archive) -> Package:
    pattern = source.package
    prefix = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    matching = [
        name
        for name in archive.names(prefix)
        if fnmatchcase(name, pattern) and not name.endswith(_UNWANTED)
    ]
    found = archive.describe(matching)
    if not found:
        raise ArtifactError(
            f"{source.suite} has no package {pattern}",
            hint=_similar(pattern, archive),
        )
    return max(found, key=lambda package: Version(package.version))


def _follow(package: Package, archive: Archive) -> Package:
    """Return the kernel that a metapackage pulls in, or the package itself."""
    if _IMAGE.fullmatch(package.name):
        return package
    for name in package.depends:
        if _IMAGE.fullmatch(name):
            found = archive.describe([name])
            if found:
                return found[0]
    raise ArtifactError(
        f"{archive.suite}: {package.name} is not a kernel and depends on none",
        hint="use a linux-image package",
    )


def _splits(image: Package) -> bool:
    return any(name.startswith("linux-binary-") for name in image.depends)


def _similar(pattern: str, archive: Archive) -> str:
    names = [
        name for name in archive.names("linux-image-") if not name.endswith(_UNWANTED)
    ]
    near = nearest(pattern, names, most=3, cutoff=0.3) or names[:3]
    return f"there are {', '.join(near)}" if near else "it has no kernel"
