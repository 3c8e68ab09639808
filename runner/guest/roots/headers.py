"""A disk with a kernel's headers, for roots whose programs compile for the kernel."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from runner.errors import ArtifactError
from runner.files.cache import Cache, key_of
from runner.guest.roots import archive, disk, image
from runner.guest.roots.content import ContentSpool
from runner.guest.roots.headersimage import HeadersImage
from runner.guest.roots.tree import Inode, RootTree
from runner.kernels import trust
from runner.kernels.headers import HeaderPackages
from runner.kernels.sources import packages
from runner.kernels.sources.source import Workplace
from runner.text.progress import Progress

# To be raised when the same packages are to give another disk.
_RECIPE = "1"
_KIND = "header-disks"
_DISK = "headers.squashfs"
_SOURCES = "usr/src"
# From trixie on below usr.
_MODULES = ("lib/modules", "usr/lib/modules")


def _required(inode: Inode | None, path: str) -> Inode:
    if inode is None or inode.kind != "folder":
        raise ArtifactError(f"the packages with headers have no {path}")
    return inode


def _target(tree: RootTree, release: str, name: str) -> str:
    """Return the folder in usr/src that a link of the packages means."""
    for folder in _MODULES:
        there = tree.find(f"{folder}/{release}")
        link = None if there is None else there.entries.get(name)
        if link is not None and link.kind == "link":
            target = link.target.rpartition("/")[2]
            _required(tree.find(f"{_SOURCES}/{target}"), f"{_SOURCES}/{target}")
            return target
    raise ArtifactError(f"the packages with headers have no {name} of {release}")


def obtain(found: HeaderPackages, cache: Cache, progress: Progress) -> HeadersImage:
    """Return the disk of a kernel's headers, made if the cache has not got it.

    Raises ArtifactError for packages that can't be had or read.
    """
    files = (item.identity for item in found.items)
    key = key_of(_RECIPE, *files, *trust.identity(found.source))

    def build(folder: Path) -> Mapping[str, JsonValue]:
        with cache.scratch() as scratch:
            tree = RootTree()
            spool = ContentSpool(scratch / "files")
            work = Workplace(cache=cache, scratch=scratch, progress=progress)
            for path in found.download(work):
                tar = scratch / "package.tar"
                packages.write_tar(path, tar)
                archive.add(tree, tar, path.name, spool, layer=None)
            sources = RootTree()
            sources.root = _required(tree.find(_SOURCES), _SOURCES)
            disk.write(sources, folder / _DISK)
            return {
                "origin": f"headers of {found.release}",
                **{
                    name: _target(tree, found.release, name)
                    for name in ("build", "source")
                },
            }

    entry = image.whole(cache, _KIND, key, build)
    return HeadersImage(
        key=key,
        disk=entry.directory / _DISK,
        build=str(entry.metadata["build"]),
        source=str(entry.metadata["source"]),
    )
