"""A saved guest's file: the devices' state, and the memory but for what is empty of it.

It is frames of zstd, one behind the other, so that several threads can unpack them. The
length of the first stands before it. The first holds: how many bytes the devices' state
has and how many areas of memory there are; each area's offset, its length, and that of
its frame; the devices' state. A frame for each area follows. All numbers are
little-endian and of 8 bytes; the file has a checksum for each frame.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import zstandard

from runner.files import regular
from runner.guest.qemu.memory import memory_file

# More is slower to write and hardly smaller.
_LEVEL = 3
_LENGTH = struct.Struct("<Q")
_HEAD = struct.Struct("<QQ")
_AREA = struct.Struct("<QQQ")
# Of memory, in bytes: each one is empty, or kept.
_BLOCK = 1 << 18
# Blocks that are one area at most. Each thread is to have some; but between two of them
# all other threads want the interpreter first.
_MOST_BLOCKS = 32
# Of the first frame's content, in bytes: more than the devices of any guest have.
_LARGEST = 1 << 30
_SEALS = (
    fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
)


def write(path: Path, *, memory: int, devices: int) -> None:
    """Write a file that its owner can read, from descriptors of what it is to hold.

    Raises OSError when the disk can't hold it.
    """
    state = os.pread(devices, os.fstat(devices).st_size, 0)
    with mmap.mmap(memory, 0, prot=mmap.PROT_READ) as content, _threads() as threads:
        areas = list(_areas(content))

        def pack(area: slice) -> bytes:
            return _packed(content[area])

        frames = list(threads.map(pack, areas))
    head = _HEAD.pack(len(state), len(areas))
    for area, frame in zip(areas, frames, strict=True):
        head += _AREA.pack(area.start, area.stop - area.start, len(frame))
    first = _packed(head + state)
    with open(path, "xb", opener=_for_owner) as target:
        target.writelines([_LENGTH.pack(len(first)), first, *frames])
        target.flush()
        os.fsync(target.fileno())


def _threads() -> ThreadPoolExecutor:
    # zstd lets go of the interpreter.
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), "state")


def _packed(data: bytes) -> bytes:
    # With a checksum, so that what is damaged on disk is noticed when it is read.
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)


def _areas(content: mmap.mmap) -> Iterator[slice]:
    """Yield where what is not empty is."""
    empty = bytes(_BLOCK)
    first = None
    for start in range(0, len(content), _BLOCK):
        used = content[start : start + _BLOCK] != empty
        if first is not None and (not used or start - first == _MOST_BLOCKS * _BLOCK):
            yield slice(first, start)
            first = None
        if used and first is None:
            first = start
    if first is not None:
        yield slice(first, len(content))


def _for_owner(path: str, flags: int) -> int:
    # It holds the guest's host key.
    return os.open(path, flags, 0o600)


@dataclass(frozen=True, kw_only=True)
class _Area:
    """A part of a guest's memory, and where its frame is in the file."""

    offset: int
    length: int
    frame: slice


def read(path: Path, memory: int) -> int:
    """Fill a guest's memory, all of it zero yet, and seal it against any change.

    Return a descriptor of the devices' state; the caller closes it.
    Raises OSError, zstandard.ZstdError and ValueError when the file is missing or
    damaged.
    """
    packed = memoryview(regular.read(path))
    if len(packed) < _LENGTH.size:
        raise ValueError("it is empty")
    (length,) = _LENGTH.unpack_from(packed)
    end = _LENGTH.size + length
    first = memoryview(_unpacked(packed[_LENGTH.size : end], _LARGEST))
    devices, areas = _table(first, end)
    if (areas[-1].frame.stop if areas else end) != len(packed):
        raise ValueError("its frames have another length")
    size, at = os.fstat(memory).st_size, 0
    for it in areas:
        if not at <= it.offset <= it.offset + it.length <= size:
            raise ValueError(f"it is from a guest with more than {size} bytes")
        at = it.offset + it.length

    def fill(area: _Area) -> None:
        data = _unpacked(packed[area.frame], area.length)
        if len(data) != area.length:
            raise ValueError(f"an area has {len(data)} bytes, not {area.length}")
        done = 0
        while done < len(data):
            done += os.pwrite(memory, memoryview(data)[done:], area.offset + done)

    with _threads() as threads:
        for _ in threads.map(fill, areas):
            pass
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
    return memory_file("devices", first[devices])


def _unpacked(frame: memoryview, most: int) -> bytes:
    """Return a frame's content. Raises as `read`, also for one of over `most` bytes."""
    size = zstandard.get_frame_parameters(frame).content_size
    if size > most:
        raise ValueError(f"it claims to contain {size} bytes")
    return zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)


def _table(content: memoryview, end: int) -> tuple[slice, list[_Area]]:
    """Return where the devices' state is, and the areas, with frames from `end` on."""
    if len(content) < _HEAD.size:
        raise ValueError("it has no table")
    devices, count = _HEAD.unpack_from(content)
    table = _HEAD.size + count * _AREA.size
    if table + devices != len(content):
        raise ValueError(f"it claims to contain {count} areas")
    areas = []
    for offset, length, size in _AREA.iter_unpack(content[_HEAD.size : table]):
        areas.append(_Area(offset=offset, length=length, frame=slice(end, end + size)))
        end += size
    return slice(table, table + devices), areas
