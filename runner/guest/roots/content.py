"""What is in the files of a root, until they are on its disk."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner.guest.roots.errors import RootError

# Bytes that all files of a root may have.
MOST = 4 << 30
_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Content:
    """A part of a file of this machine."""

    path: Path
    at: int
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Yield it. Raises RootError if the file has become shorter."""
        left = self.size
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.at)
                while left:
                    piece = stream.read(min(left, _PIECE))
                    if not piece:
                        raise RootError(f"{self.path} changed while it was read")
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise RootError(f"{self.path}: {error.strerror or error}") from error

    def head(self, size: int) -> bytes:
        """Return its first bytes."""
        with self.path.open("rb") as stream:
            stream.seek(self.at)
            return stream.read(min(size, self.size))


class ContentSpool:
    """A file that takes the files of archives, one behind the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0
        path.touch(mode=0o600)

    def add(self, stream: IO[bytes]) -> Content:
        """Keep what a stream has. Raises RootError when all together is too large."""
        start = self._end
        with self._path.open("ab") as target:
            while piece := stream.read(_PIECE):
                self._end += len(piece)
                if self._end > MOST:
                    raise too_large()
                target.write(piece)
            target.flush()
        return Content(path=self._path, at=start, size=self._end - start)


def too_large() -> RootError:
    """Return the error of a root with too much in it."""
    return RootError(
        f"the root has more than {MOST >> 30} GiB of files, the most that is taken",
        hint="leave out what the command does not need",
    )


def of_file(path: Path) -> Content:
    """Return all of a file. Raises RootError for one that can't be read."""
    try:
        if not os.access(path, os.R_OK):
            raise PermissionError(13, os.strerror(13))
        return Content(path=path, at=0, size=path.lstat().st_size)
    except OSError as error:
        raise RootError(
            f"{path}: {error.strerror or error}",
            hint="make a tar of the folder as its owner: sudo tar -C FOLDER -cf "
            "root.tar .; and name that",
        ) from error
