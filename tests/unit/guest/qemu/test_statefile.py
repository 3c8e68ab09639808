"""Saved guests on disk: small, whole or refused, and their owner's alone."""

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.guest.qemu import statefile
from runner.guest.qemu.memory import guest_memory, memory_file

DEVICES = b"what QEMU wrote " * 100
# MiB.
SIZE = 4
# Offset → content: at the beginning and the end, across a MiB, and pages by themselves.
AREAS = {
    0: os.urandom(100),
    (1 << 20) - 5000: os.urandom(10_000),
    (2 << 20) + 8192: os.urandom(4096),
    (SIZE << 20) - 1: b"x",
}


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = guest_memory(SIZE)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with DEVICES and AREAS."""
    written = tmp_path / "state.zst"
    write(written, AREAS)
    return written


def write(path: Path, areas: dict[int, bytes]) -> None:
    memory, devices = guest_memory(SIZE), memory_file("devices", DEVICES)
    for offset, data in areas.items():
        os.pwrite(memory, data, offset)
    statefile.write(path, memory=memory, devices=devices)
    os.close(memory)
    os.close(devices)


def refuse(path: Path, memory: int) -> None:
    with pytest.raises((ValueError, zstandard.ZstdError)):
        statefile.read(path, memory)


def test_a_guest_comes_back_as_it_was(path: Path, memory: int) -> None:
    devices = statefile.read(path, memory)

    assert os.pread(devices, 1 << 20, 0) == DEVICES
    os.close(devices)
    expected = bytearray(SIZE << 20)
    for offset, data in AREAS.items():
        expected[offset : offset + len(data)] = data
    assert os.pread(memory, (SIZE << 20) + 1, 0) == expected


def test_what_is_empty_takes_no_room(path: Path, memory: int) -> None:
    os.close(statefile.read(path, memory))

    assert path.stat().st_size < 30_000
    # Five blocks, of which two are side by side.
    assert os.fstat(memory).st_blocks * 512 <= 5 << 18


def test_it_is_readable_by_its_owner_only(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_memory_that_was_read_can_not_be_changed(path: Path, memory: int) -> None:
    os.close(statefile.read(path, memory))

    with pytest.raises(PermissionError):
        os.pwrite(memory, b"y", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 0)


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 1000, 10_000, -1, -4])
def test_a_truncated_file_is_refused(path: Path, memory: int, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])

    refuse(path, memory)


@pytest.mark.parametrize("place", [0, 5, 2000, -2])
def test_a_flipped_bit_is_noticed(path: Path, memory: int, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)

    refuse(path, memory)


def test_a_larger_guests_file_is_refused(path: Path) -> None:
    smaller = guest_memory(SIZE - 1)

    refuse(path, smaller)

    os.close(smaller)


def in_frames(first: bytes, *others: bytes) -> bytes:
    """Return a file with these contents in its frames."""
    packed = zstandard.compress(first)
    parts = [struct.pack("<Q", len(packed)), packed, *map(zstandard.compress, others)]
    return b"".join(parts)


@pytest.mark.parametrize(
    "areas",
    [
        # Behind the memory's end; more than its frame has, or less; one over another.
        [(1 << 20, 4, b"1234")],
        [((1 << 20) - 2, 4, b"1234")],
        [(0, 5, b"1234")],
        [(0, 3, b"1234")],
        [(4, 4, b"1234"), (0, 4, b"1234")],
    ],
)
def test_an_area_that_can_not_be_is_refused(
    tmp_path: Path, areas: list[tuple[int, int, bytes]]
) -> None:
    head = struct.pack("<QQ", 1, len(areas))
    for offset, length, data in areas:
        head += struct.pack("<QQQ", offset, length, len(zstandard.compress(data)))
    path, memory = tmp_path / "made", guest_memory(1)
    path.write_bytes(in_frames(head + b"d", *[data for _, _, data in areas]))

    refuse(path, memory)

    assert os.fstat(memory).st_size == 1 << 20
    os.close(memory)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    numbers=st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 99), max_size=8),
    rest=st.binary(max_size=99),
)
def test_any_content_is_read_or_refused(
    tmp_path: Path, numbers: list[int], rest: bytes
) -> None:
    content = struct.pack(f"<{len(numbers)}Q", *numbers) + rest
    path, memory = tmp_path / "any", guest_memory(1)
    path.write_bytes(in_frames(content))

    with suppress(ValueError):
        os.close(statefile.read(path, memory))

    assert os.fstat(memory).st_size == 1 << 20
    os.close(memory)
