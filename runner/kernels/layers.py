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
from typing import IO, Self

import zstandard

from runner.kernels import packed

# How a layer says that a file of a lower one is gone, or a folder's whole content.
# Source: the OCI image specification, layer.md.
_GONE = ".wh."
_ALL_GONE = ".wh..wh..opq"

_CUT = "it ends too early, without the two blocks of zeros at the end of a tar"

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

    It must be read through: a layer without a proper end is damaged. Raises OSError,
    and one of DAMAGED.
    """
    with layer.open("rb") as stream:
        content = io.BufferedReader(_Unpacked(stream), 1 << 20)
        with tarfile.open(fileobj=content, mode="r|", tarinfo=_Member) as archive:
            yield archive
            _require_end(archive)


class _Member(tarfile.TarInfo):
    """A member whose damaged header is an error, and not the end of the archive.

    tarfile stops in silence at a header that is damaged, cut short or missing.
    """

    @classmethod
    def frombuf(cls, buf: "bytes | bytearray", encoding: str, errors: str) -> Self:
        """Read a header, or raise HeaderError at a block of zeros: the end."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            if len(buf) < tarfile.BLOCKSIZE:
                raise tarfile.ReadError(_CUT) from error
            raise tarfile.ReadError(f"a file's header is damaged: {error}") from error


def _require_end(archive: tarfile.TarFile) -> None:
    """Read what follows the first block of the end: a second one, and only zeros.

    A tar must have been read through. To its very end, where a checksum may tell that
    it is damaged. Raises ReadError. Source: POSIX, pax, "ustar Interchange Format".
    """
    stream = archive.fileobj
    assert stream is not None
    size = 0
    while piece := stream.read(1 << 20):
        if piece.count(0) != len(piece):
            raise tarfile.ReadError("it goes on behind its end")
        size += len(piece)
    if size < tarfile.BLOCKSIZE:
        raise tarfile.ReadError(_CUT)


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
