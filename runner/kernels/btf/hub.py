"""BTF from BTFHub's archive: a clone's folder, or an address with its layout.

DISTRIBUTION/VERSION/ARCHITECTURE/RELEASE.btf.tar.xz, and RELEASE.btf in it.
"""

import hashlib
import io
import lzma
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from runner.errors import ArtifactError, NotOnServerError, file_errors
from runner.kernels import http, packed
from runner.kernels.sources.source import Item
from runner.text.nearest import nearest
from runner.text.progress import Progress

_LARGEST = 64 << 20

# Which folders of the archive may hold a release, by what it looks like.
_DISTRIBUTIONS = (
    (r"\.el7\.|\.el7$", ("centos/7", "ol/7", "rhel/7")),
    (r"\.el8", ("centos/8", "rhel/8", "ol/8")),
    (r"\.el7uek|\.el8uek", ("ol/7", "ol/8")),
    (r"\.amzn1", ("amzn/1",)),
    (r"\.amzn2", ("amzn/2",)),
    (r"\.fc(\d+)", (r"fedora/{}",)),
    (r"-generic$|-lowlatency$", ("ubuntu/16.04", "ubuntu/18.04", "ubuntu/20.04")),
    (r"-(aws|azure|gcp|oracle|gke)$", ("ubuntu/18.04", "ubuntu/20.04")),
    (r"-(amd64|arm64)$", ("debian/9", "debian/10")),
    (r"-default$", ("sles/12.5", "sles/15.1", "sles/15.2", "sles/15.3")),
)


def distributions(release: str) -> tuple[str, ...]:
    """Return the archive's folders that may hold a release; none for a self-made one.

    Source: the folders of btfhub-archive.
    """
    for pattern, folders in _DISTRIBUTIONS:
        found = re.search(pattern, release)
        if found:
            return tuple(folder.format(*found.groups()) for folder in folders)
    return ()


def look_up(
    location: str,
    release: str,
    distribution: str,
    progress: Progress,
    architecture: str,
) -> tuple[bytes, Item] | None:
    """Return a release's BTF, and its file in the archive; None when it has it not.

    `architecture` is the archive's folder for it; "" where it has none. Raises
    ArtifactError when the archive can't be reached or its file is damaged.
    """
    if not architecture:
        return None
    name = _name(release, architecture)
    folders = (distribution,) if distribution else distributions(release)
    if "://" not in location:
        return _local(Path(location), name, release, distribution)
    for folder in folders:
        address = f"{location.rstrip('/')}/{folder}/{name}"
        data = _download(address, progress)
        if data is not None:
            return _found(data, name, release, address)
    return None


def similar(location: str, release: str, architecture: str) -> str:
    """Return the releases of a local clone that look like one, or nothing."""
    if "://" in location or not architecture:
        return ""
    known = {_release(path) for path in Path(location).glob(f"*/*/{architecture}/*")}
    return ", ".join(nearest(release, known, most=3))


def unpack(archive: bytes, release: str, where: str) -> bytes:
    """Return the only BTF of a .btf.tar.xz. Raises ArtifactError."""
    wanted = f"{release}.btf"
    try:
        # Whole first, so that a truncated one is reported even behind its last member.
        tar = packed.xz(archive, _LARGEST)
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as opened:
            for member in opened:
                if not member.isreg() or Path(member.name).name != wanted:
                    continue
                content = opened.extractfile(member)
                assert content is not None
                return content.read()
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise ArtifactError(f"{where} can't be unpacked: {error}") from error
    raise ArtifactError(f"{where} does not contain {wanted}")


def _found(archive: bytes, name: str, release: str, place: str) -> tuple[bytes, Item]:
    checksum = hashlib.sha256(archive).hexdigest()
    item = Item(name=name, location=place, sha256=checksum)
    return unpack(archive, release, place), item


def _local(
    folder: Path, name: str, release: str, distribution: str
) -> tuple[bytes, Item] | None:
    if not folder.is_dir():
        raise ArtifactError(
            f"there is no BTFHub archive at {folder}",
            hint="clone btfhub-archive there, or set its address",
        )
    for path in _candidates(folder, name, distribution):
        with file_errors(ArtifactError, path):
            return _found(path.read_bytes(), name, release, str(path))
    return None


def _candidates(folder: Path, name: str, distribution: str) -> Iterator[Path]:
    if distribution:
        path = folder / distribution / name
        yield from [path] if path.exists() else []
        return
    # A clone can be searched, so no guess is needed.
    yield from sorted(folder.glob(f"*/*/{name}"))


def _name(release: str, architecture: str) -> str:
    return f"{architecture}/{release}.btf.tar.xz"


def _release(path: Path) -> str:
    return path.name.removesuffix(".btf.tar.xz")


def _download(address: str, progress: Progress) -> bytes | None:
    try:
        return http.fetch(address, progress)
    except NotOnServerError:
        return None
    except ArtifactError as error:
        raise ArtifactError(
            f"BTFHub is unreachable: {error.message}",
            hint="use a local clone with `btf: {type: btfhub, location: …}`, or "
            "`btf: kernel` to run without",
        ) from error
