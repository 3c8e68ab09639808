"""A root, made into what guests are given, once for the same content."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from runner.arch import Architecture
from runner.files.cache import Cache, CacheEntry, EntryBuilder, key_of, sha256_of_large
from runner.guest.roots import disk, parts
from runner.guest.roots.content import ContentSpool
from runner.guest.roots.contents import RootContents, unpacked_size
from runner.guest.roots.errors import RootError
from runner.guest.roots.origin import RootOrigin, RootWork
from runner.guest.roots.parts import Parts
from runner.guest.roots.tree import RootTree
from runner.programs import elf
from runner.text.progress import Progress

# To be raised when the same root is to give another disk.
_RECIPE = "2"
_DISKS, _PARTS = "root-disks", "root-parts"
_DISK, _CONTENTS = "root.squashfs", "contents.json"
# What is mounted in a root, and with which permissions its folder is made.
MOUNTED = {"proc": 0o755, "sys": 0o755, "dev": 0o755, "run": 0o755, "tmp": 0o1777}
_HEAD = 20


@dataclass(frozen=True, kw_only=True)
class RootImage:
    """A root that guests can be given."""

    # What it is, for people.
    name: str
    # Of the cache.
    key: str
    # A squashfs, which nobody writes to.
    disk: Path
    # Bytes of all files.
    size: int
    # What its programs are for.
    architecture: Architecture
    # Returns its parts for guests that can't have a disk.
    make_parts: Callable[[], Parts]

    @cached_property
    def contents(self) -> RootContents:
        """What is in it."""
        return RootContents.read(self.disk.with_name(_CONTENTS))


def obtain(
    origin: RootOrigin, cache: Cache, progress: Progress, architecture: Architecture
) -> RootImage:
    """Return a root's image for an architecture, made if the cache has not got it.

    Raises RootError for one that can't be used, and InfrastructureError where this
    machine or a registry fails.
    """
    identity = origin.identity(cache, progress, architecture)
    key = key_of(_RECIPE, architecture.name, identity)

    def build(folder: Path) -> Mapping[str, JsonValue]:
        with (
            progress.task(f"making a disk of {origin.name}"),
            _tree(origin, cache, progress, architecture) as tree,
        ):
            size = unpacked_size(tree)
            disk.write(tree, folder / _DISK)
            RootContents.of(tree).write(folder / _CONTENTS)
        return {"origin": origin.name, "size": size}

    entry = whole(cache, _DISKS, key, build)
    size = entry.metadata["size"]
    assert isinstance(size, int)

    def make_parts() -> Parts:
        def split(folder: Path) -> Mapping[str, JsonValue]:
            with _tree(origin, cache, progress, architecture) as tree:
                parts.write(tree, folder)
            return {"origin": origin.name}

        return parts.read(whole(cache, _PARTS, key, split).directory)

    return RootImage(
        name=origin.name,
        key=key,
        disk=entry.directory / _DISK,
        size=size,
        architecture=architecture,
        make_parts=make_parts,
    )


def whole(cache: Cache, kind: str, key: str, build: EntryBuilder) -> CacheEntry:
    """Return an entry whose large files were read through once, not in each run."""
    entry = cache.entry(kind, key, build, verify=False)
    for name, checksum in entry.checksums.items():
        path = entry.directory / name
        if not path.is_file() or sha256_of_large(path, cache) != checksum:
            return cache.renew(kind, key, build)
    return entry


@contextmanager
def _tree(
    origin: RootOrigin, cache: Cache, progress: Progress, architecture: Architecture
) -> Iterator[RootTree]:
    """Give a root that guests can use, while its files are there."""
    with cache.scratch() as scratch:
        tree = RootTree()
        work = RootWork(
            cache=cache,
            scratch=scratch,
            spool=ContentSpool(scratch / "files"),
            progress=progress,
            architecture=architecture,
        )
        origin.fill(tree, work)
        check(tree, origin.name, architecture)
        for name, mode in MOUNTED.items():
            tree.require_folder(name, mode)
        yield tree


def check(tree: RootTree, name: str, architecture: Architecture) -> None:
    """Refuse a root in which nothing of an architecture could run. Raises RootError."""
    machine = _machine(tree)
    if machine is None:
        raise RootError(
            f"{name} has no program in it, so it is not a root file system",
            hint="name the folder, tar or image that has bin, lib and usr in it",
        )
    if machine != architecture.machine:
        raise RootError(
            f"{name} is a root for {machine}; the guest is {architecture.machine}",
            hint=f"make it for {architecture.machine}: debootstrap "
            f"--arch={architecture.debian.name}, or docker export of a "
            f"linux/{architecture.oci} container",
        )


def _machine(tree: RootTree) -> str | None:
    """Return the architecture of /bin/sh, or else of the first program."""
    shell = tree.find("bin/sh")
    inodes = [] if shell is None else [shell]
    for inode in (*inodes, *(it for _, it in tree.walk())):
        if inode.kind == "file" and inode.mode & 0o111 and inode.content is not None:
            found = elf.machine_of(inode.content.head(_HEAD))
            if found is not None:
                return found
    return None


def shown(size: int) -> str:
    """Return bytes for people: "312 MiB"."""
    return f"{size / (1 << 20):.0f} MiB"
