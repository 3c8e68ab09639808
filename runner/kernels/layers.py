"""Layers of container images: tars, packed or not, that are laid on each other."""

import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from runner.kernels import packed

# How a layer says that a file of a lower one is gone, or a folder's whole content.
# Source: the OCI image specification, layer.md.
_GONE = ".wh."
_ALL_GONE = ".wh..wh..opq"

# What a damaged layer raises.
DAMAGED = (
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    gzip.BadGzipFile,
    EOFError,
)


@dataclass(frozen=True, kw_only=True)
class Whiteout:
    """What of lower layers is gone."""

    # As the layer has it.
    path: str
    # Whether it is the content of a folder, and not the path itself.
    is_content: bool


def whiteout(path: str) -> Whiteout | None:
    """Return what a member of a layer says is gone; None for a member that is a file.

    Source: the OCI image specification, layer.md.
    """
    folder, _, name = path.rpartition("/")
    if name == _ALL_GONE:
        return Whiteout(path=folder, is_content=True)
    if name.startswith(_GONE):
        gone = name.removeprefix(_GONE)
        return Whiteout(path=f"{folder}/{gone}" if folder else gone, is_content=False)
    return None


@contextmanager
def opened(layer: Path) -> Iterator[tarfile.TarFile]:
    """Open a layer for reading from its start, whose compression its first bytes tell.

    Raises OSError, and one of DAMAGED.
    """
    with layer.open("rb") as stream:
        content = io.BufferedReader(_Unpacked(stream), 1 << 20)
        with tarfile.open(fileobj=content, mode="r|") as archive:
            yield archive
        # To the end, where a checksum may tell that it is damaged.
        while content.read(1 << 20):
            pass


class _Unpacked(io.RawIOBase):
    """A file, as it was before it was packed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._pieces = packed.pieces(stream)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        """Fill a buffer with what follows; 0 is the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
