"""A Debian package's files below a folder, which none of its links leads out of."""

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from runner.errors import ArtifactError
from runner.kernels.sources import packages

# What guests and compilers need; not documentation, nor tables of character sets.
WANTED = (
    "bin/",
    "lib/",
    "lib64/",
    "sbin/",
    "usr/bin/",
    "usr/include/",
    "usr/lib/",
    "usr/lib64/",
    "usr/sbin/",
)
_UNWANTED = ("/gconv/", "/audit/", "/bfd-plugins/")


def into(package: Path, folder: Path) -> None:
    """Unpack a .deb. Raises ArtifactError for one that is damaged, or leads outside."""
    with packages.opened(package, to_the_end=True) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if _is_wanted(path):
                _write(archive, member, path, folder, package.name)


def _is_wanted(path: PurePosixPath) -> bool:
    text = str(path)
    return text.startswith(WANTED) and not any(it in text for it in _UNWANTED)


def _write(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    path: PurePosixPath,
    folder: Path,
    package: str,
) -> None:
    target = folder / path
    above = [folder / it for it in path.parents]
    if ".." in path.parts or any(it.is_symlink() for it in above):
        raise ArtifactError(f"{package}: {path} leads out of the package")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if member.issym():
        target.symlink_to(_inside(path, member.linkname))
    elif member.islnk():
        os.link(folder / _inside(PurePosixPath("x"), f"/{member.linkname}"), target)
    elif member.isreg():
        content = archive.extractfile(member)
        assert content is not None
        with target.open("wb") as stream:
            shutil.copyfileobj(content, stream, 1 << 20)
        target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _inside(path: PurePosixPath, linked: str) -> str:
    """Return a link's target relative to where it lies; "/" is the folder's top."""
    place = f"/{path.parent}"
    return os.path.relpath(os.path.normpath(os.path.join(place, linked)), place)
