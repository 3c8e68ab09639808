"""A root in parts, for guests without a driver for a disk: unpacked one by one.

Small files are in tars that are small themselves, large ones lie beside them. So a
guest's memory holds no more than one tar besides the root.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from runner.guest.roots import disk
from runner.guest.roots.tree import Inode, RootTree

# Bytes: of a tar, and of a file that is too large for one.
_MOST = 8 << 20
LARGE = 2 << 20
_LIST = "large.json"


@dataclass(frozen=True, kw_only=True)
class LargeFile:
    """A file that is copied by itself, before any tar is unpacked."""

    # In the root, without a leading slash.
    path: str
    mode: int
    # "0:0": numbers of its user and group.
    owner: str
    # Its content, in the folder of the parts.
    name: str


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a root is put together of."""

    folder: Path
    large: tuple[LargeFile, ...]
    # To be unpacked in this order; they may link to large files.
    tars: tuple[Path, ...]


_LARGE_FILES = TypeAdapter(tuple[LargeFile, ...])


def write(tree: RootTree, folder: Path) -> None:
    """Write a tree's parts. Raises RootError for a file that can't be read."""
    large: dict[int, LargeFile] = {}
    for path, inode in tree.walk():
        if inode.size >= LARGE and id(inode) not in large:
            name = f"large-{len(large)}"
            with (folder / name).open("wb") as stream:
                assert inode.content is not None
                for piece in inode.content.pieces():
                    stream.write(piece)
            large[id(inode)] = LargeFile(
                path=path,
                mode=inode.mode,
                owner=f"{inode.uid}:{inode.gid}",
                name=name,
            )
    (folder / _LIST).write_bytes(_LARGE_FILES.dump_json(tuple(large.values())))
    names = {number: file.path for number, file in large.items()}
    for number, entries in enumerate(_grouped(tree, names)):
        with (folder / f"{number:05}.tar").open("wb") as stream:
            disk.write_tar(iter(entries), stream, names)


def _grouped(
    tree: RootTree, names: dict[int, str]
) -> Iterator[list[tuple[str, Inode]]]:
    """Yield inodes for one tar each, without the first names of large files."""
    group: list[tuple[str, Inode]] = []
    size = 0
    for path, inode in tree.walk():
        if names.get(id(inode)) == path:
            continue
        group.append((path, inode))
        size += inode.size
        if size >= _MOST:
            yield group
            group, size = [], 0
    if group:
        yield group


def read(folder: Path) -> Parts:
    """Return parts that `write` wrote."""
    found = json.loads((folder / _LIST).read_text())
    return Parts(
        folder=folder,
        large=_LARGE_FILES.validate_python(found),
        tars=tuple(sorted(folder.glob("*.tar"))),
    )
