"""Saved states on disk: whole or refused, and their owner's alone."""

import os
import stat
from pathlib import Path
from typing import cast

import pytest

from runner.qemu import snapshot
from runner.qemu.qmp import Qmp
from runner.qemu.snapshot import SnapshotError
from runner.qemu.vm import Vm

# Zeroes, as much of a guest's memory is, and something else.
STATE = bytes(1 << 20) + os.urandom(1 << 16)


class SavingQmp:
    """A monitor whose QEMU writes a state, or fails to."""

    def __init__(self, state: bytes = STATE, status: str = "completed") -> None:
        self._state = state
        self._status = status
        self.commands: list[str] = []

    def give(self, name: str, descriptor: int, *, timeout: float) -> None:
        self._descriptor = descriptor

    def execute(
        self,
        command: str,
        arguments: dict[str, object] | None = None,
        *,
        timeout: float,
    ) -> object:
        self.commands.append(command)
        if command == "migrate":
            os.write(self._descriptor, self._state)
        return {"status": self._status} if command == "query-migrate" else {}


class SavingVm:
    """A machine that can be saved."""

    def __init__(self, qmp: SavingQmp) -> None:
        self.qmp = cast(Qmp, qmp)


def save(path: Path, qmp: SavingQmp | None = None) -> None:
    snapshot.save(cast(Vm, SavingVm(qmp or SavingQmp())), path, timeout=5)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "state.zst"
    save(path)
    return path


def content(path: Path) -> bytes:
    state = snapshot.load(path)
    try:
        return os.pread(state, len(STATE) + 1, 0)
    finally:
        os.close(state)


def test_a_state_comes_back_as_it_was(saved: Path) -> None:
    assert content(saved) == STATE


def test_zeroes_take_no_room(saved: Path) -> None:
    assert saved.stat().st_size < len(STATE) / 10


def test_a_state_is_readable_by_its_owner_only(saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


def test_nothing_is_written_when_qemu_can_not_save(tmp_path: Path) -> None:
    path = tmp_path / "state.zst"

    with pytest.raises(SnapshotError, match="failed"):
        save(path, SavingQmp(status="failed"))

    assert not path.exists()


def test_no_descriptor_is_left_open(tmp_path: Path, saved: Path) -> None:
    before = os.listdir("/proc/self/fd")
    save(tmp_path / "second.zst")
    (tmp_path / "damaged").write_bytes(b"x" * 100)
    with pytest.raises(SnapshotError):
        snapshot.load(tmp_path / "damaged")
    content(saved)

    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 1000, 30_000, -1])
def test_a_truncated_state_is_refused(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])

    with pytest.raises(SnapshotError):
        snapshot.load(saved)


@pytest.mark.parametrize("place", [0, 5, 2000, -2])
def test_a_flipped_bit_is_noticed(saved: Path, place: int) -> None:
    data = bytearray(saved.read_bytes())
    data[place] ^= 1
    saved.write_bytes(data)

    with pytest.raises(SnapshotError):
        snapshot.load(saved)


def test_a_missing_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"state\.zst can't be read"):
        snapshot.load(tmp_path / "state.zst")
