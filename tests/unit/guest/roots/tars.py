"""Tars and small roots for tests."""

import io
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from runner.guest.roots import archive, disk
from runner.guest.roots.content import ContentSpool
from runner.guest.roots.tree import RootTree

BUSYBOX = Path("/bin/busybox").read_bytes()


def file(
    name: str, data: bytes = b"", mode: int = 0o644
) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    return member, data


def other(
    name: str, kind: bytes, target: str = "", mode: int = 0o755
) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, target, mode
    return member, b""


def folder(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return other(name, tarfile.DIRTYPE, mode=mode)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return other(name, tarfile.SYMTYPE, target)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return other(name, tarfile.LNKTYPE, target)


def tar(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as target:
        for member, data in members:
            target.addfile(member, io.BytesIO(data))
    return stream.getvalue()


# A root in which a shell runs.
SMALL = (
    folder("bin"),
    file("bin/busybox", BUSYBOX, 0o755),
    symlink("bin/sh", "busybox"),
    symlink("bin/cat", "/bin/busybox"),
    file("etc/hello", b"hello"),
)


def tree_of(place: Path, *layers: bytes) -> RootTree:
    """Lay tars on each other, which are layers if there are several."""
    tree = RootTree()
    spool = ContentSpool(place / "spool")
    for number, data in enumerate(layers):
        path = place / f"{number}.tar"
        path.write_bytes(data)
        layer = number if len(layers) > 1 else None
        archive.add(tree, path, path.name, spool, layer=layer)
    return tree


def paths(tree: RootTree) -> dict[str, str]:
    """Return what is in a tree: a file's content, a link's target, or its kind."""
    found = {}
    for path, inode in tree.walk():
        if inode.content is not None:
            found[path] = b"".join(inode.content.pieces()).decode("latin-1")
        else:
            found[path] = f"@{inode.target}" if inode.kind == "link" else inode.kind
    return found


def unpacked(tree: RootTree, place: Path) -> Path:
    """Write a tree's disk, and return where Debian's unsquashfs unpacked it."""
    disk.write(tree, place / "disk")
    target = place / "unpacked"
    subprocess.run(
        ["unsquashfs", "-q", "-n", "-d", target, place / "disk"],
        check=True,
        capture_output=True,
    )
    return target
