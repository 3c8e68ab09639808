"""Manifests of container images: of one image, and of several to choose from.

Source: the OCI image specification, manifest.md and image-index.md.
"""

from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError

from runner.arch import Architecture
from runner.errors import ArtifactError

_DIGEST = r"^sha256:[0-9a-f]{64}$"
# Of guests.
OS = "linux"


class Layer(BaseModel):
    """A layer as a manifest names it."""

    digest: str = Field(pattern=_DIGEST)
    size: int = Field(ge=0)


class _Platform(BaseModel):
    os: str = ""
    architecture: str = ""


class PlatformManifest(BaseModel):
    """An image of several."""

    digest: str = Field(pattern=_DIGEST)
    platform: _Platform = _Platform()


class ImageManifest(BaseModel):
    """A manifest of one image, or of several."""

    layers: tuple[Layer, ...] | None = None
    manifests: tuple[PlatformManifest, ...] | None = None


def parse(data: bytes, url: str) -> ImageManifest:
    """Read a manifest. Raises ArtifactError for anything else."""
    try:
        return ImageManifest.model_validate_json(data)
    except ValidationError as error:
        raise ArtifactError(
            f"{url} did not answer like a registry",
            hint="check that the source's key image names a registry and a repository",
        ) from error


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image, for one architecture."""

    # sha256:….
    digest: str
    # The lowest first.
    layers: tuple[Layer, ...]


def chosen(
    choices: tuple[PlatformManifest, ...], where: str, architecture: Architecture
) -> str:
    """Return the digest of the image for an architecture. Raises ArtifactError."""
    for choice in choices:
        if (choice.platform.os, choice.platform.architecture) == (OS, architecture.oci):
            return choice.digest
    there = sorted({it.platform.architecture for it in choices} - {"", "unknown"})
    raise ArtifactError(
        f"{where} has no image for {architecture.oci}",
        hint=f"it has {', '.join(there)}" if there else "",
    )
