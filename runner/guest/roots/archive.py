"""Tars of a root: what `docker export` writes, and layers of an image."""

import tarfile
from pathlib import Path

from runner.guest.roots.content import ContentSpool
from runner.guest.roots.errors import RootError
from runner.guest.roots.tree import Inode, InodeKind, RootTree
from runner.kernels import layers

# Files, folders and links of a root; some number must be too many.
MOST_MEMBERS = 2_000_000
_KINDS: dict[bytes, InodeKind] = {
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.FIFOTYPE: "pipe",
}
# A guest's devices are in its own /dev.
_LEFT_OUT = (tarfile.CHRTYPE, tarfile.BLKTYPE)


def add(
    tree: RootTree, path: Path, name: str, spool: ContentSpool, *, layer: int | None
) -> None:
    """Lay a tar on a tree, whose files go to the spool.

    `layer` is its number in an image, from 0; a tar without one has no whiteouts. Its
    name is for people. Raises RootError for one that is damaged, or leads outside.
    """
    try:
        with layers.opened(path) as archive:
            for number, member in enumerate(archive):
                if number >= MOST_MEMBERS:
                    raise RootError(f"{name} has more than {MOST_MEMBERS} files")
                try:
                    _add(tree, archive, member, spool, layer)
                except RootError as error:
                    raise RootError(f"{name}: {error.message}") from error
    except (*layers.DAMAGED, OverflowError, ValueError) as error:
        raise RootError(
            f"{name} can't be unpacked: {error}",
            hint="name a folder, a tar (plain, or packed by gzip, xz or zstd) or an "
            "image",
        ) from error
    except OSError as error:
        raise RootError(f"{name}: {error.strerror or error}") from error


def _add(
    tree: RootTree,
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    spool: ContentSpool,
    layer: int | None,
) -> None:
    gone = None if layer is None else layers.whiteout(member.name.rstrip("/"))
    number = layer or 0
    if gone is not None:
        tree.remove(gone.path, number, only_content=gone.is_content)
    elif member.islnk():
        tree.link(member.name, member.linkname, number)
    elif member.type not in _LEFT_OUT:
        stream = archive.extractfile(member) if member.isreg() else None
        tree.place(
            member.name,
            Inode(
                kind=_KINDS.get(member.type, "file"),
                mode=member.mode & 0o7777,
                uid=_number(member.uid),
                gid=_number(member.gid),
                layer=number,
                content=None if stream is None else spool.add(stream),
                target=member.linkname if member.issym() else "",
            ),
        )


def _number(value: int) -> int:
    if 0 <= value < 1 << 32:
        return value
    raise RootError(f"{value} is not the number of a user or a group")
