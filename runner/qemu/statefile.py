"""A saved guest's file: the devices' state, and the memory but for what is empty of it.

It is one frame of zstd that holds: how many bytes the devices' state has and how many
areas of memory follow; each area's offset and length; the devices' state; the areas'
content. All numbers are little-endian and of 8 bytes.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import zstandard

# More is slower to write and hardly smaller.
_LEVEL = 3
_HEAD = struct.Struct("<QQ")
_AREA = struct.Struct("<QQ")
_PAGE = mmap.PAGESIZE
# Of an area, in bytes; no more than a system call takes of them at once.
_LONGEST = 1 << 20
# Areas that a system call fills (IOV_MAX).
_AT_ONCE = 1024
# Of all together, in bytes: more than the memory of any guest.
_LARGEST = 1 << 36
_AFTER = b"end"
_END = zstandard.compress(_AFTER)
_SEALS = (
    fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
)


def write(path: Path, *, memory: int, devices: int) -> None:
    """Write a file that its owner can read, from descriptors of what it is to hold.

    Raises OSError when the disk can't hold it.
    """
    state = os.pread(devices, os.fstat(devices).st_size, 0)
    # With a checksum, so that what is damaged on disk is noticed when it is read.
    compressor = zstandard.ZstdCompressor(
        level=_LEVEL, write_checksum=True, write_content_size=True, threads=-1
    )
    with (
        mmap.mmap(memory, 0, prot=mmap.PROT_READ) as content,
        open(path, "xb", opener=_for_owner) as target,
    ):
        areas = list(_areas(content))
        head = _HEAD.pack(len(state), len(areas))
        head += b"".join(_AREA.pack(*area) for area in areas)
        size = len(head) + len(state) + sum(length for _, length in areas)
        with compressor.stream_writer(target, size=size, closefd=False) as packed:
            packed.write(head)
            packed.write(state)
            for offset, length in areas:
                packed.write(content[offset : offset + length])
        target.flush()
        os.fsync(target.fileno())


def _areas(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield offset and length of what is not empty."""
    empty = bytes(_PAGE)
    for start in range(0, len(content), _LONGEST):
        chunk = content[start : start + _LONGEST]
        used = (chunk[at : at + _PAGE] != empty for at in range(0, len(chunk), _PAGE))
        for is_used, pages in groupby(enumerate(used), itemgetter(1)):
            if is_used:
                (first, _), *others = pages
                yield start + first * _PAGE, (1 + len(others)) * _PAGE


def _for_owner(path: str, flags: int) -> int:
    # It holds the guest's host key.
    return os.open(path, flags, 0o600)


def read(path: Path, memory: int) -> int:
    """Fill a guest's memory, all of it zero yet, and seal it against any change.

    Return a descriptor of the devices' state; the caller closes it.
    Raises OSError, zstandard.ZstdError and ValueError when the file is missing or
    damaged.
    """
    packed = path.read_bytes()
    size = zstandard.get_frame_parameters(packed).content_size
    if not _HEAD.size <= size <= _LARGEST:
        raise ValueError(f"it claims to hold {size} bytes")
    whole = os.memfd_create("whole")
    try:
        os.ftruncate(whole, size)
        with mmap.mmap(whole, size) as content:
            _unpack(packed, content)
            devices, areas = _table(content, os.fstat(memory).st_size)
            _fill(memory, areas, whole, size - sum(length for _, length in areas))
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
            return _copy(content[devices])
    finally:
        os.close(whole)


def _unpack(packed: bytes, content: mmap.mmap) -> None:
    # Only with something to read after it is the checksum looked at, and missed.
    stream = zstandard.ZstdDecompressor().stream_reader(
        packed + _END, read_across_frames=True
    )
    # In one piece: between two, all other threads would want the interpreter first.
    if stream.readinto(content) != len(content) or stream.read() != _AFTER:
        raise ValueError("it is not whole")


def _table(content: mmap.mmap, memory: int) -> tuple[slice, list[tuple[int, int]]]:
    """Return where the devices' state is, and the areas."""
    devices, count = _HEAD.unpack_from(content)
    table = _HEAD.size + count * _AREA.size
    if table + devices > len(content):
        raise ValueError(f"it claims to hold {count} areas")
    areas = list(_AREA.iter_unpack(content[_HEAD.size : table]))
    if any(offset + length > memory for offset, length in areas):
        raise ValueError(f"it is of a guest with more than {memory} bytes")
    if table + devices + sum(length for _, length in areas) != len(content):
        raise ValueError("its areas are of another length")
    return slice(table, table + devices), areas


def _fill(
    memory: int, areas: list[tuple[int, int]], source: int, position: int
) -> None:
    with mmap.mmap(memory, 0) as target, memoryview(target) as view:
        for start in range(0, len(areas), _AT_ONCE):
            places = [
                view[offset : offset + length]
                for offset, length in areas[start : start + _AT_ONCE]
            ]
            position += os.preadv(source, places, position)
            for place in places:
                place.release()
    if position != os.fstat(source).st_size:
        raise ValueError("its areas are too long")


def _copy(data: bytes) -> int:
    copy = os.memfd_create("devices")
    with os.fdopen(os.dup(copy), "wb") as stream:
        stream.write(data)
    return copy
