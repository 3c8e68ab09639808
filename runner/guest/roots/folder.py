"""Root file systems in a folder, as debootstrap makes them."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from runner.guest.roots import content
from runner.guest.roots.content import MOST
from runner.guest.roots.errors import RootError
from runner.guest.roots.tree import Inode, InodeKind, RootTree

_KINDS: dict[int, InodeKind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
}


def fingerprint(folder: Path) -> str:
    """Return what changes when something in a folder does.

    It goes by names, owners, sizes and times of change, not by content. Raises
    RootError for a folder that can't be read.
    """
    found = hashlib.sha256()
    for path, status in _entries(folder):
        words = (
            *(path, status.st_mode, status.st_uid, status.st_gid, status.st_size),
            *(status.st_ino, status.st_mtime_ns, status.st_ctime_ns),
        )
        found.update("\0".join(map(str, words)).encode("utf-8", "surrogateescape"))
        found.update(b"\n")
    return found.hexdigest()


def add(tree: RootTree, folder: Path) -> None:
    """Put all of a folder into a tree; links are kept, and not followed.

    What belongs to an ordinary user who runs this is root's in the guest. Raises
    RootError for what can't be read.
    """
    first: dict[tuple[int, int], str] = {}
    size = 0
    for path, status in _entries(folder):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            # A socket, or a device: the guest has its own.
            continue
        if kind == "file" and status.st_nlink > 1:
            known = first.setdefault((status.st_dev, status.st_ino), path)
            if known != path:
                tree.link(path, known, 0)
                continue
        here = folder / path
        inode = Inode(
            kind=kind,
            mode=stat.S_IMODE(status.st_mode),
            uid=_owner(status.st_uid, os.geteuid()),
            gid=_owner(status.st_gid, os.getegid()),
            content=content.of_file(here) if kind == "file" else None,
            target=os.readlink(here) if kind == "link" else "",
        )
        size += inode.size
        if size > MOST:
            raise content.too_large()
        tree.place(path, inode)


def _owner(number: int, own: int) -> int:
    return 0 if number == own else number


def _entries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the paths in a folder, in a fixed order, parents first."""
    pending = [""]
    while pending:
        below = pending.pop()
        try:
            with os.scandir(folder / below) as found:
                entries = sorted(found, key=lambda it: os.fsencode(it.name))
                states = [it.stat(follow_symlinks=False) for it in entries]
        except OSError as error:
            raise RootError(
                f"{folder / below}: {error.strerror or error}",
                hint="make a tar of the folder as its owner: sudo tar -C FOLDER -cf "
                "root.tar .; and name that",
            ) from error
        for entry, status in zip(entries, states, strict=True):
            path = f"{below}/{entry.name}" if below else entry.name
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                pending.append(path)
