"""Where a root comes from: a folder, a tar, an image in a registry or in a layout."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runner.arch import Architecture
from runner.errors import ArtifactError
from runner.files.cache import Cache, sha256_of_large
from runner.guest.roots import archive, folder, layout
from runner.guest.roots.content import ContentSpool
from runner.guest.roots.errors import RootError
from runner.guest.roots.tree import RootTree
from runner.suites import commandcase
from runner.text.progress import Progress

if TYPE_CHECKING:
    from runner.kernels.sources.registry import Repository

_LATEST = "latest"
_ASKED_BY = "the name of the image in --root or `root`"


@dataclass(frozen=True, kw_only=True)
class RootWork:
    """What reading a root takes."""

    cache: Cache
    # For downloads and files; removed afterwards.
    scratch: Path
    spool: ContentSpool
    progress: Progress
    # Of the guests; images may be there for several.
    architecture: Architecture


class RootOrigin(Protocol):
    """A place that a root is read from."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def path(self) -> Path | None:
        """The file or folder of this machine; None for an image in a registry."""

    def identity(
        self, cache: Cache, progress: Progress, architecture: Architecture
    ) -> str:
        """Return what changes when the root does. Raises RunnerError."""

    def fill(self, tree: RootTree, work: RootWork) -> None:
        """Put all of it into an empty tree. Raises RunnerError."""


@dataclass(frozen=True, kw_only=True)
class FolderOrigin:
    """A folder, as debootstrap makes it."""

    path: Path

    @property
    def name(self) -> str:
        """What it is, for people."""
        return str(self.path)

    def identity(
        self, cache: Cache, progress: Progress, architecture: Architecture
    ) -> str:
        """Return what changes when a file's name, owner, size or time does."""
        return f"folder {folder.fingerprint(self.path)}"

    def fill(self, tree: RootTree, work: RootWork) -> None:
        """Put all of it into an empty tree."""
        folder.add(tree, self.path)


@dataclass(frozen=True, kw_only=True)
class TarOrigin:
    """A tar, as `docker export` writes it."""

    path: Path

    @property
    def name(self) -> str:
        """What it is, for people."""
        return str(self.path)

    def identity(
        self, cache: Cache, progress: Progress, architecture: Architecture
    ) -> str:
        """Return its checksum."""
        try:
            return f"tar {sha256_of_large(self.path, cache)}"
        except OSError as error:
            raise RootError(f"{self.path}: {error.strerror or error}") from error

    def fill(self, tree: RootTree, work: RootWork) -> None:
        """Put all of it into an empty tree."""
        archive.add(tree, self.path, self.name, work.spool, layer=None)
        is_saved = tree.find("manifest.json") or tree.find("oci-layout")
        if is_saved and tree.find("bin") is None:
            raise RootError(
                f"{self.path} is an image with its layers, as `docker save` writes it",
                hint="use `docker export`, which writes a container's files; or unpack "
                "it, and name the folder if it has a file oci-layout",
            )


@dataclass(frozen=True, kw_only=True)
class LayoutOrigin:
    """An image in a folder of the OCI image layout."""

    path: Path
    # Empty for the only image.
    tag: str

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"{self.path}:{self.tag}" if self.tag else str(self.path)

    def identity(
        self, cache: Cache, progress: Progress, architecture: Architecture
    ) -> str:
        """Return the manifest's digest."""
        return f"image {layout.image(self.path, self.tag, architecture).digest}"

    def fill(self, tree: RootTree, work: RootWork) -> None:
        """Put all layers into an empty tree."""
        image = layout.image(self.path, self.tag, work.architecture)
        for number, layer in enumerate(image.layers):
            blob = layout.blob(self.path, layer.digest, work.cache)
            what = f"layer {number + 1} of {self.name}"
            archive.add(tree, blob, what, work.spool, layer=number)


@dataclass(frozen=True, kw_only=True)
class RegistryOrigin:
    """An image in a registry."""

    repository: str
    # A tag, or a digest.
    reference: str
    path: None = None

    @property
    def name(self) -> str:
        """What it is, for people."""
        joint = "@" if self.reference.startswith("sha256:") else ":"
        return f"{self.repository}{joint}{self.reference}"

    def identity(
        self, cache: Cache, progress: Progress, architecture: Architecture
    ) -> str:
        """Return the digest of the tag's image; the last one if nobody can be asked."""
        place = re.sub(r"[^A-Za-z0-9]", "_", self.name)
        note = f"root-image-{place}-{architecture.name}"
        known = cache.recall(note)
        if self.reference.startswith("sha256:") and isinstance(known, str):
            return known
        try:
            image = self._repository.image(self.reference, architecture)
            found = f"image {image.digest}"
        except ArtifactError as error:
            if not isinstance(known, str):
                raise
            progress.message(f"{self.name}: not updated: {error.message}")
            return known
        cache.remember(note, found)
        return found

    @property
    def _repository(self) -> "Repository":
        # Only now: it takes long to import, and most runs ask no registry.
        from runner.kernels.sources.registry import Repository

        return Repository(self.repository, asked_by=_ASKED_BY)

    def fill(self, tree: RootTree, work: RootWork) -> None:
        """Download all layers and put them into an empty tree."""
        repository = self._repository
        image = repository.image(self.reference, work.architecture)
        for number, layer in enumerate(image.layers):
            path = work.scratch / "layer"
            what = f"layer {number + 1} of {self.name}"
            size = f"{layer.size / 1e6:.1f} MB"
            repository.download(layer.digest, path, work.progress, f"{what} ({size})")
            archive.add(tree, path, what, work.spool, layer=number)
            path.unlink()


def of(word: str, find: Callable[[str], Path]) -> RootOrigin:
    """Return what a word means that --root or `root` names.

    `find` returns the path of a file by its name. Raises RootError for nothing that is
    there.
    """
    path = find(word)
    if layout.is_one(path):
        return LayoutOrigin(path=path, tag="")
    if path.is_dir():
        return FolderOrigin(path=path)
    if path.exists():
        return TarOrigin(path=path)
    name, _, tag = word.rpartition(":")
    if name and layout.is_one(find(name)):
        return LayoutOrigin(path=find(name), tag=tag)
    image = in_registry(word)
    if image is not None:
        return image
    raise RootError(
        f"there is no folder, tar or image {word!r}",
        hint="name a folder, a tar, an OCI layout (FOLDER or FOLDER:TAG), or an image "
        "with its registry (REGISTRY/NAME:TAG)",
    )


def in_registry(word: str) -> RegistryOrigin | None:
    """Return the image of a registry that a word names; None for another word."""
    found = commandcase.IMAGE.fullmatch(word)
    if found is None:
        return None
    reference = found["digest"] or found["tag"] or _LATEST
    return RegistryOrigin(repository=found["name"], reference=reference)
