"""Disks of a root: squashfs, made without privileges and without mounting."""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from runner.errors import InfrastructureError
from runner.guest.roots.tree import Inode, RootTree
from runner.process.programs import environment

PROGRAM = "sqfstar"
_READER = "unsquashfs"
_PACKAGE = "squashfs-tools"
# Not compressed: unpacking costs an emulated guest more than reading, and a kernel may
# be built without this or that algorithm. Times are 0, so that the same root gives the
# same disk.
_OPTIONS = (
    *("-quiet", "-no-progress", "-noI", "-noD", "-noF", "-noX", "-no-xattrs"),
    *("-mkfs-time", "0", "-all-time", "0", "-exit-on-error"),
)
_TYPES = {
    "folder": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "pipe": tarfile.FIFOTYPE,
    "file": tarfile.REGTYPE,
}


def missing() -> dict[str, str]:
    """Return the program that this system lacks, with Debian's package of it."""
    return {} if shutil.which(PROGRAM) else {PROGRAM: _PACKAGE}


def write(tree: RootTree, target: Path) -> None:
    """Write a tree as a disk: the same bytes for the same tree.

    Raises InfrastructureError when the tool is missing or fails, and RootError for a
    file that can't be read.
    """
    if missing():
        raise InfrastructureError(
            f"{PROGRAM} is not installed, and --root needs it to make a disk",
            hint=f"apt-get install {_PACKAGE} (4.5 or later)",
        )
    root = tree.root
    argv = [
        *(PROGRAM, *_OPTIONS, "-root-mode", f"{root.mode:o}"),
        *("-root-uid", str(root.uid), "-root-gid", str(root.gid), str(target)),
    ]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            argv,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
        ) as process:
            assert process.stdin is not None
            try:
                write_tar(tree.walk(), process.stdin)
                process.stdin.close()
            except BrokenPipeError:
                # Its words say why.
                with suppress(BrokenPipeError):
                    process.stdin.close()
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            said.seek(0)
            words = " ".join(said.read().decode("utf-8", "replace").split())
            raise InfrastructureError(
                f"{PROGRAM} failed: {words or f'exit status {process.returncode}'}",
                hint="check that the disk of the cache has room",
            )


@contextmanager
def opened(disk: Path, path: str) -> Iterator[IO[bytes]]:
    """Give a file of a disk, by its path without symbolic links.

    Raises InfrastructureError when the tool is missing or fails.
    """
    with tempfile.TemporaryFile() as stream:
        try:
            subprocess.run(
                [_READER, "-no-wildcards", "-cat", disk, path.lstrip("/")],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.PIPE,
                check=True,
            )
        except FileNotFoundError as error:
            raise InfrastructureError(
                f"{_READER} is not installed, and --root needs it to read a disk",
                hint=f"apt-get install {_PACKAGE} (4.5 or later)",
            ) from error
        except subprocess.CalledProcessError as error:
            words = " ".join(error.stderr.decode("utf-8", "replace").split())
            raise InfrastructureError(f"{_READER} failed: {words}") from error
        stream.seek(0)
        yield stream


def write_tar(
    entries: Iterator[tuple[str, Inode]],
    stream: IO[bytes],
    names: dict[int, str] | None = None,
) -> None:
    """Write a tar of inodes; a second name of one is a hard link.

    `names` are the first names by the inodes' numbers; those of this tar are added.
    """
    names = {} if names is None else names
    for path, inode in entries:
        member = tarfile.TarInfo(path)
        member.type = _TYPES[inode.kind]
        member.mode, member.uid, member.gid = inode.mode, inode.uid, inode.gid
        member.linkname = inode.target
        first = names.setdefault(id(inode), path)
        if first != path:
            member.type, member.linkname = tarfile.LNKTYPE, first
            stream.write(_head(member))
            continue
        member.size = inode.size
        stream.write(_head(member))
        if inode.content is not None:
            for piece in inode.content.pieces():
                stream.write(piece)
            stream.write(bytes(-inode.size % tarfile.BLOCKSIZE))
    stream.write(bytes(2 * tarfile.BLOCKSIZE))


def _head(member: tarfile.TarInfo) -> bytes:
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
