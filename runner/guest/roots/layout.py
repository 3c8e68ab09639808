"""Images in a folder, in the OCI image layout: index.json and blobs.

Source: the OCI image specification, image-layout.md.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.arch import Architecture
from runner.errors import ArtifactError
from runner.files.cache import Cache, sha256_of_large
from runner.guest.roots.errors import RootError
from runner.kernels.sources import imagemanifest
from runner.kernels.sources.imagemanifest import Image, PlatformManifest

_NAME = "org.opencontainers.image.ref.name"
# Bytes of an index or a manifest.
_MOST = 4 << 20


class _Named(PlatformManifest):
    model_config = ConfigDict(frozen=True)

    annotations: dict[str, str] = Field(default_factory=dict)


class _Index(BaseModel):
    manifests: tuple[_Named, ...]


def is_one(path: Path) -> bool:
    """Whether a folder is a layout."""
    return (path / "oci-layout").is_file() and (path / "index.json").is_file()


def image(folder: Path, tag: str, architecture: Architecture) -> Image:
    """Return the image of a tag; without one, the only image. Of an index, that of an
    architecture.

    Raises RootError for a damaged layout, and for one with other images.
    """
    named = _index(folder, folder / "index.json").manifests
    matching = [it for it in named if not tag or it.annotations.get(_NAME) == tag]
    if len(matching) != 1:
        tags = ", ".join(it.annotations.get(_NAME, "?") for it in named)
        what = f"no image {tag!r}" if tag else f"{len(named)} images"
        raise RootError(
            f"{folder} has {what}",
            hint=f"it has {tags}; name one: {folder}:TAG" if tags else "",
        )
    return _image(folder, matching[0].digest, architecture)


def _image(folder: Path, digest: str, architecture: Architecture) -> Image:
    try:
        manifest = imagemanifest.parse(
            _read(_path(folder, digest)), f"{folder}: {digest}"
        )
        if manifest.manifests is not None:
            digest = imagemanifest.chosen(manifest.manifests, str(folder), architecture)
            return _image(folder, digest, architecture)
    except ArtifactError as error:
        raise RootError(error.message, hint=error.hint) from error
    if not manifest.layers:
        raise RootError(f"{folder}: {digest} has no layers")
    return Image(digest=digest, layers=manifest.layers)


def blob(folder: Path, digest: str, cache: Cache) -> Path:
    """Return a layer's file. Raises RootError for one that is missing or another."""
    path = _path(folder, digest)
    try:
        found = sha256_of_large(path, cache)
    except OSError as error:
        raise RootError(f"{path}: {error.strerror or error}") from error
    if f"sha256:{found}" != digest:
        raise RootError(f"{path} is damaged: its checksum is sha256:{found}")
    return path


def _path(folder: Path, digest: str) -> Path:
    # The models let through nothing but sha256: and 64 digits.
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _index(folder: Path, path: Path) -> _Index:
    try:
        return _Index.model_validate_json(_read(path))
    except ValidationError as error:
        raise RootError(f"{path} is not an index of the OCI image layout") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MOST)
    except OSError as error:
        raise RootError(f"{path}: {error.strerror or error}") from error
