"""A root file system as it will be: layer on layer, nothing of it on this machine.

A path's symbolic links are followed inside of the tree only, as the kernel does it
after chroot(): "/" and ".." never lead out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from runner.guest.roots.content import Content
from runner.guest.roots.errors import RootError

# As many as Linux follows (MAXSYMLINKS).
_MOST_LINKS = 40

InodeKind = Literal["file", "folder", "link", "pipe"]


@dataclass(eq=False, kw_only=True)
class Inode:
    """A file, folder, symbolic link or named pipe, which may have several names."""

    kind: InodeKind
    # Permissions, with the set-uid, set-gid and sticky bits.
    mode: int
    uid: int = 0
    gid: int = 0
    # The layer that brought it, from 0.
    layer: int = 0
    # Of a file.
    content: Content | None = None
    # Of a symbolic link.
    target: str = ""
    # Of a folder.
    entries: "dict[str, Inode]" = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of a file."""
        return 0 if self.content is None else self.content.size


class RootTree:
    """All inodes of a root file system, by their paths."""

    def __init__(self) -> None:
        self.root = Inode(kind="folder", mode=0o755)

    def place(self, path: str, inode: Inode) -> None:
        """Put an inode at a path; what was there is replaced, folders are merged.

        Raises RootError for a path that is outside, or below a file.
        """
        parts = components(path)
        if not parts:
            if inode.kind == "folder":
                self.root.mode, self.root.uid = inode.mode, inode.uid
                self.root.gid = inode.gid
            return
        parent = self._folder(parts[:-1], path, inode.layer)
        there = parent.entries.get(parts[-1])
        if inode.kind == "folder" and there is not None and there.kind == "folder":
            there.mode, there.uid, there.gid = inode.mode, inode.uid, inode.gid
            there.layer = inode.layer
            return
        parent.entries[parts[-1]] = inode

    def link(self, path: str, target: str, layer: int) -> None:
        """Give an inode one more name. Raises RootError for one that is not there."""
        parts = components(target)
        found = self.root
        if parts:
            parent = self.find("/".join(parts[:-1]))
            there = None if parent is None else parent.entries.get(parts[-1])
            if there is None:
                raise RootError(f"{path} is a hard link to {target}, which is missing")
            found = there
        if found.kind == "folder":
            raise RootError(f"{path} is a hard link to {target}, which is a folder")
        found.layer = layer
        self.place(path, found)

    def remove(self, path: str, layer: int, *, only_content: bool) -> None:
        """Take away what layers below this one have at a path."""
        parts = components(path)
        if only_content:
            folder = self.find("/".join(parts))
            if folder is not None and folder.kind == "folder":
                _purge_entries(folder, layer)
            return
        parent = self.find("/".join(parts[:-1])) if parts else None
        if parent is not None and parent.kind == "folder":
            _purge(parent, parts[-1], layer)

    def find(self, path: str) -> Inode | None:
        """Return what a path leads to; None if that is nothing."""
        return self._walk(components(path), create=None, path=path)

    def _folder(self, parts: list[str], path: str, layer: int) -> Inode:
        """Return a folder, which is made if it is missing."""
        found = self._walk(parts, create=layer, path=path)
        if found is None or found.kind != "folder":
            raise RootError(f"{path} is below something that is not a folder")
        return found

    def _walk(self, parts: list[str], *, create: int | None, path: str) -> Inode | None:
        """Follow a path from the root; make folders that are missing for a layer."""
        way = [self.root]
        pending = parts[::-1]
        links = 0
        while pending:
            name = pending.pop()
            here = way[-1]
            if name == "..":
                # Only of a symbolic link: it stops at the root.
                way = way[:-1] or way
                continue
            if here.kind != "folder":
                return None
            there = here.entries.get(name)
            if there is None:
                if create is None:
                    return None
                there = Inode(kind="folder", mode=0o755, layer=create)
                here.entries[name] = there
            if there.kind != "link":
                way.append(there)
                continue
            links += 1
            if links > _MOST_LINKS:
                if create is None:
                    return None
                raise RootError(f"{path} leads through too many symbolic links")
            if there.target.startswith("/"):
                way = [self.root]
            pending += [it for it in there.target.split("/") if it not in ("", ".")][
                ::-1
            ]
        return way[-1]

    def require_folder(self, name: str, mode: int) -> None:
        """Have a real folder at the top, on which something can be mounted."""
        there = self.root.entries.get(name)
        if there is None or there.kind != "folder":
            self.root.entries[name] = Inode(kind="folder", mode=mode)

    def walk(self) -> Iterator[tuple[str, Inode]]:
        """Yield all paths but the root's, without a leading slash, in a fixed order."""
        pending = [("", self.root)]
        while pending:
            path, folder = pending.pop()
            for name in sorted(folder.entries, key=_as_bytes):
                inode = folder.entries[name]
                below = f"{path}/{name}" if path else name
                yield below, inode
                if inode.kind == "folder":
                    pending.append((below, inode))


def _as_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _purge_entries(folder: Inode, layer: int) -> None:
    for name in list(folder.entries):
        _purge(folder, name, layer)


def _purge(parent: Inode, name: str, layer: int) -> None:
    there = parent.entries.get(name)
    if there is None:
        return
    if there.kind == "folder":
        _purge_entries(there, layer)
        if there.entries:
            return
    if there.layer < layer:
        del parent.entries[name]


def components(path: str) -> list[str]:
    """Return the parts of an archive's path. Raises RootError for one that leads out.

    A leading slash counts for nothing: the root is the archive's own.
    """
    parts = [it for it in path.split("/") if it not in ("", ".")]
    if ".." in parts:
        raise RootError(f"{path!r} leads out of the root, by its ..")
    if any("\0" in it for it in parts):
        raise RootError(f"{path!r} has a NUL in it")
    return parts
