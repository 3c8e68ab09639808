"""Kernels that Debian once had, from its snapshot archive.

The archive's interface for programs is described in its own documentation: `/mr/binary/
PACKAGE/VERSION/binfiles?fileinfo=1` says the SHA-1 of each architecture's file, and
`/file/SHA-1` is the file. It publishes no SHA-256: that is known, and can be kept in
matrix.lock, after the first download.
"""

from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from runner.arch import Architecture, named
from runner.errors import ArtifactError, NotOnServerError
from runner.files.cache import Cache
from runner.kernels import http
from runner.kernels.sources import remote
from runner.kernels.sources.source import Collected, Item, Pin, Workplace
from runner.matrix.matrix import SnapshotSource
from runner.versions import KernelVersion


class _File(BaseModel):
    name: str
    size: int = 0


class _PackageBuild(BaseModel):
    architecture: str
    hash: str = Field(pattern=r"^[0-9a-f]{40}$")


class _ArchiveAnswer(BaseModel):
    """What the archive says about one version of a package."""

    result: tuple[_PackageBuild, ...]
    fileinfo: dict[str, tuple[_File, ...]] = {}


class SnapshotArchive:
    """The provider of `snapshot` sources."""

    def resolve(self, source: SnapshotSource, cache: Cache) -> Pin:
        """Ask the archive for the files' hashes. Raises ArtifactError."""
        names = [source.package, *([f"{source.package}-dbg"] if source.debug else [])]
        return Pin(
            provider=source.type,
            version=str(KernelVersion.parse(source.version)),
            origin=source.shown,
            items=tuple(
                find(source.url, name, source.version, named(source.arch))
                for name in names
            ),
        )

    def collect(self, pin: Pin, source: SnapshotSource, work: Workplace) -> Collected:
        """Download the pinned packages. Raises ArtifactError."""
        return remote.collect(pin, source, work)


def find(archive: str, package: str, version: str, architecture: Architecture) -> Item:
    """Return where an archive has a version of a package, and its SHA-1.

    `archive` is its address. Raises ArtifactError when it can't be asked or has it not.
    """
    archive = archive.rstrip("/")
    answer = _ask(archive, package, version)
    for build in answer.result:
        if build.architecture == architecture.debian.name:
            files = answer.fileinfo.get(build.hash, ())
            return Item(
                name=f"{package}_{version}",
                location=f"{archive}/file/{build.hash}",
                sha1=build.hash,
                size=files[0].size if files else 0,
            )
    raise ArtifactError(
        f"the snapshot archive has no {package} {version} for "
        f"{architecture.debian.name}",
        hint="it has "
        + (", ".join(sorted(build.architecture for build in answer.result)) or "none"),
    )


def _ask(archive: str, package: str, version: str) -> _ArchiveAnswer:
    place = f"{quote(package)}/{quote(version)}"
    url = f"{archive}/mr/binary/{place}/binfiles?fileinfo=1"
    try:
        return _ArchiveAnswer.model_validate(http.json_of(url))
    except NotOnServerError as error:
        raise ArtifactError(
            f"the snapshot archive has no {package} {version}",
            hint=f"{archive}/binary/{package}/ lists the versions that it has",
        ) from error
    except ValidationError as error:
        raise ArtifactError(
            f"{url} did not answer like the snapshot archive",
            hint="check that the source's url names such an archive",
        ) from error
