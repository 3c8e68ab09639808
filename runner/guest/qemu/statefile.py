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

from runner.files import regular
from runner.guest.qemu.memory import memory_file

# More is slower to write and hardly smaller.
_LEVEL = 3
_HEAD = struct.Struct("<QQ")
_AREA = struct.Struct("<QQ")
# Of memory, in bytes: each one is empty, or kept. The smaller they are, the more areas
# there are, and for each the interpreter is wanted; the larger, the more is kept.
_BLOCK = 1 << 18
# Of all together, in bytes: more than the memory of any guest.
_LARGEST = 1 << 36
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
    empty = bytes(_BLOCK)
    starts = range(0, len(content), _BLOCK)
    used = (content[start : start + _BLOCK] != empty for start in starts)
    for is_used, blocks in groupby(zip(starts, used, strict=True), itemgetter(1)):
        if is_used:
            (first, _), *others = blocks
            yield first, (1 + len(others)) * _BLOCK


def _for_owner(path: str, flags: int) -> int:
    # It holds the guest's host key.
    return os.open(path, flags, 0o600)


def read(path: Path, memory: int) -> int:
    """Fill a guest's memory, all of it zero yet, and seal it against any change.

    Return a descriptor of the devices' state; the caller closes it.
    Raises OSError, zstandard.ZstdError and ValueError when the file is missing or
    damaged.
    """
    packed = regular.read(path)
    size = zstandard.get_frame_parameters(packed).content_size
    if not _HEAD.size <= size <= _LARGEST:
        raise ValueError(f"it claims to contain {size} bytes")
    # In one piece: between two, all other threads would want the interpreter first.
    whole = zstandard.ZstdDecompressor().decompress(packed, allow_extra_data=False)
    content = memoryview(whole)
    devices, areas = _table(content, os.fstat(memory).st_size)
    at = devices.stop
    with os.fdopen(os.dup(memory), "wb") as target:
        for offset, length in areas:
            target.seek(offset)
            target.write(content[at : at + length])
            at += length
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
    return memory_file("devices", content[devices])


def _table(content: memoryview, memory: int) -> tuple[slice, list[tuple[int, int]]]:
    """Return where the devices' state is, and the areas."""
    devices, count = _HEAD.unpack_from(content)
    table = _HEAD.size + count * _AREA.size
    if table + devices > len(content):
        raise ValueError(f"it claims to contain {count} areas")
    areas = list(_AREA.iter_unpack(content[_HEAD.size : table]))
    if any(offset + length > memory for offset, length in areas):
        raise ValueError(f"it is from a guest with more than {memory} bytes")
    if table + devices + sum(length for _, length in areas) != len(content):
        raise ValueError("its areas have another length")
    return slice(table, table + devices), areas
