"""Kernels built from a release's source."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from runner.arch import named
from runner.errors import ArtifactError
from runner.files.cache import Cache, key_of, sha256_of_large
from runner.kernels import http, kernelbuild
from runner.kernels.kernelbuild import Recipe, recipe
from runner.kernels.kernelbuild.build import unpack
from runner.kernels.kernelbuild.release import version_of
from runner.kernels.sources import stabletags
from runner.kernels.sources.offer import Offer
from runner.kernels.sources.source import Collected, Item, Pin, Workplace
from runner.matrix.matrix import KernelOrgSource
from runner.versions import KernelVersion

_TARBALL = "tarball"
_RECIPE = "recipe"


@dataclass(frozen=True, kw_only=True)
class KernelOrg:
    """The provider of `kernel-org` sources."""

    # The source's own words tell the tarball; only the recipe may change.
    # Where fragments and quirks are.
    recipes: Path = recipe.FOLDER

    def resolve(self, source: KernelOrgSource, cache: Cache) -> Pin:
        """Return tarball and recipe. Raises ArtifactError for a file that is not
        there, or not what the source says."""
        made_by = self._fingerprint(source)
        return Pin(
            provider=source.type,
            version=source.version,
            origin=f"linux {source.version}, built here",
            items=(
                _item(source, cache),
                Item(name=_RECIPE, location="images/kernel", sha256=made_by),
            ),
        )

    def collect(self, pin: Pin, source: KernelOrgSource, work: Workplace) -> Collected:
        """Download the tarball, build the kernel, return what came of it.

        Raises ArtifactError when the download or the build fails, or the recipe is
        another than the pin's.
        """
        items = {item.name: item for item in pin.items}
        if items[_RECIPE].sha256 != self._fingerprint(source):
            raise ArtifactError(
                f"images/kernel changed since linux {source.version} was pinned",
                hint="python -m runner lock",
            )
        # What fails for sure, does so before a download; the tree may tell more.
        kernelbuild.check(self._recipe(KernelVersion.parse(source.version), source))
        if source.tree is None:
            tarball = self._tarball(items[_TARBALL], source, work)
        else:
            tarball = _from_tree(items[_TARBALL], source.tree, pin.version, work)
        with work.progress.task(f"{tarball.name}: unpacking"):
            tree = unpack(tarball, work.scratch / "source")
        version = version_of(tree, source.version, named(source.arch))
        _compare(version, source)
        built = kernelbuild.build(
            tree,
            self._recipe(version, source),
            work.progress,
            _log(pin, work.cache),
        )
        return Collected(
            contents={
                "boot/vmlinuz": built.image.read_bytes(),
                "boot/config": built.config.read_bytes(),
                "boot/System.map": built.system_map.read_bytes(),
                **{
                    f"lib/modules/{path.relative_to(tree)}": path.read_bytes()
                    for path in (*built.modules, built.builtin)
                    if path is not None
                },
            },
            origin=pin.origin,
            vmlinux=built.vmlinux,
            checksums={_TARBALL: sha256_of_large(tarball, work.cache)},
        )

    def offers(self, source: KernelOrgSource, cache: Cache) -> list[Offer]:
        """Return the releases that the tree has tags of. Raises ArtifactError."""
        assert source.tree is not None
        return stabletags.offers(source.tree)

    def offer_of(self, pin: Pin, source: KernelOrgSource) -> Offer:
        """Return the release that a pin is."""
        return stabletags.offer(pin.version)

    def _recipe(self, version: KernelVersion, source: KernelOrgSource) -> Recipe:
        return kernelbuild.load(
            version,
            source.options,
            self.recipes,
            source.compiler,
            source.fragments,
            named(source.arch),
        )

    def _fingerprint(self, source: KernelOrgSource) -> str:
        return recipe.fingerprint(
            source.options,
            self.recipes,
            source.compiler,
            source.fragments,
            named(source.arch),
        )

    def _tarball(self, item: Item, source: KernelOrgSource, work: Workplace) -> Path:
        """Return the tarball; a downloaded one is kept, for it builds many kernels."""
        if source.is_local:
            # It may have changed since it was pinned.
            _local(source.model_copy(update={"sha256": item.sha256}), work.cache)
            return Path(source.address)
        cache = work.cache
        kept = cache.folder("tarballs") / f"linux-{source.version}-{item.sha256}.tar.xz"
        with cache.locked(f"tarball-{item.sha256}"):
            if kept.exists() and sha256_of_large(kept, cache) == item.sha256:
                return kept
            with cache.scratch() as folder:
                path = folder / kept.name
                http.download(
                    item.location,
                    path,
                    checksums=item.checksums,
                    progress=work.progress,
                    name=item.location.rpartition("/")[2],
                    hint=work.other_file_hint(source),
                )
                shutil.move(path, kept)
        return kept


def _item(source: KernelOrgSource, cache: Cache) -> Item:
    """Return what pins the source: a tarball's checksum, or a commit."""
    if source.tree is not None:
        commit = stabletags.commit_of(source.tree, source.version)
        return Item(name=_TARBALL, location=f"v{source.version}", sha1=commit)
    sha256 = _local(source, cache) if source.is_local else source.sha256 or ""
    return Item(name=_TARBALL, location=source.address, sha256=sha256)


def _from_tree(item: Item, tree: Path, version: str, work: Workplace) -> Path:
    """Return the source of the pinned commit as a tar; its tag may have moved since."""
    path = work.scratch / f"linux-{version}.tar"
    with work.progress.task(f"{item.location} of {tree}"):
        stabletags.archive(tree, item.sha1, version, path)
    return path


def _log(pin: Pin, cache: Cache) -> Path:
    """Return where a build's output goes: a file for each tarball and recipe."""
    which = key_of(*(item.identity for item in pin.items))[:8]
    return cache.folder("logs") / f"linux-{pin.version}-{which}.log"


def _local(source: KernelOrgSource, cache: Cache) -> str:
    """Return the SHA-256 of a tarball on this machine. Raises ArtifactError."""
    path = Path(source.address)
    try:
        found = sha256_of_large(path, cache)
    except OSError as error:
        raise ArtifactError(
            f"{path}: {error.strerror}", hint="`tarball` is a file or an address"
        ) from error
    if source.sha256 not in (None, found):
        raise ArtifactError(
            f"{path} is another file: sha256 {found}, not {source.sha256}",
            hint="if the change is right, change the row's key sha256, or pin it "
            "again: python -m runner lock",
        )
    return found


def _compare(found: KernelVersion, source: KernelOrgSource) -> None:
    wanted = KernelVersion.parse(source.version)
    if found.parts[: len(wanted.parts)] != wanted.parts and found.filled() != (
        wanted.filled()
    ):
        raise ArtifactError(
            f"{source.address} contains linux {found}, not {source.version}",
            hint="change version or tarball in the matrix",
        )
