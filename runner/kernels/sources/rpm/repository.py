"""A repository's metadata, fetched and verified."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from runner.errors import ArtifactError, NotOnServerError
from runner.kernels import http
from runner.kernels.sources.rpm import metadata
from runner.kernels.sources.rpm.metadata import MetadataIndex, RpmPackage
from runner.text.progress import Hidden

_LARGEST_REPOMD = 8 << 20

_Result = TypeVar("_Result")
# Refuses a repomd.xml, of the repository at an address, that is not signed.
Check = Callable[[str, bytes], None]


@dataclass(frozen=True, kw_only=True)
class RpmRepository:
    """What a repository has."""

    # Its address, without a slash at the end.
    base: str
    # Those that were asked for, and all that provide a kernel's release.
    packages: tuple[RpmPackage, ...]
    # Of all packages.
    names: frozenset[str]


def address(base: str, href: str) -> str:
    """Return the address of a repository's file."""
    return href if "://" in href else f"{base}/{href}"


def first(bases: Sequence[str], attempt: Callable[[str], _Result]) -> _Result:
    """Return what an attempt returns at the first address where it works.

    Raises what the first ArtifactError says if it works nowhere; it is a
    NotOnServerError if all are.
    """
    failures: list[ArtifactError] = []
    for base in bases:
        try:
            return attempt(base)
        except ArtifactError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    others = len(failures) - 1
    gone = all(isinstance(it, NotOnServerError) for it in failures)
    raise (NotOnServerError if gone else ArtifactError)(
        f"{failures[0].message}; {others} other mirror{'s' if others > 1 else ''} "
        f"failed, too: {failures[-1].message}",
        hint=failures[0].hint,
    ) from failures[0]


def read(
    base: str, check: Check, wanted: Callable[[str], bool], scratch: Path
) -> RpmRepository:
    """Fetch what a repository has, and verify it. Raises ArtifactError."""
    url = f"{base}/repodata/repomd.xml"
    try:
        repomd = http.small(url, most=_LARGEST_REPOMD)
    except (NotOnServerError, http.ForbiddenError) as error:
        raise ArtifactError(
            f"there is no RPM repository at {base}: {error.message}",
            hint="check the variables; the vendor may have moved it, as old releases "
            "are, or may ask for a certificate",
        ) from error
    index = metadata.index_of(repomd, url)
    check(base, repomd)
    path = scratch / "primary"
    try:
        _fetch(index, base, path)
        return _read(index, base, path, wanted)
    finally:
        path.unlink(missing_ok=True)


def _fetch(index: MetadataIndex, base: str, path: Path) -> None:
    url = address(base, index.href)
    try:
        http.download(
            url,
            path,
            checksums={index.checksum.algorithm: index.checksum.value},
            progress=Hidden(),
            name=url,
            size=index.size,
            most=index.size or metadata.LARGEST,
        )
    except NotOnServerError as error:
        raise ArtifactError(
            f"{error.message}, but repomd.xml names it", hint=http.AMID_UPDATE
        ) from error


def _read(
    index: MetadataIndex, base: str, path: Path, wanted: Callable[[str], bool]
) -> RpmRepository:
    url = address(base, index.href)
    with path.open("rb") as stream:
        pieces = metadata.unpacked(stream, url, index.open_checksum)
        packages, names = metadata.packages_of(pieces, wanted, url)
    return RpmRepository(base=base, packages=tuple(packages), names=frozenset(names))
