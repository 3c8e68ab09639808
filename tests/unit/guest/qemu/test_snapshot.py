"""A machine's state, as QEMU writes it and a file keeps it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from runner.guest.qemu import snapshot
from runner.guest.qemu.memory import guest_memory
from runner.guest.qemu.qmp import Qmp
from runner.guest.qemu.snapshot import SnapshotError
from runner.guest.qemu.vm import Vm
from runner.timeouts import Pace

DEVICES = b"what QEMU writes " * 1000
MEMORY = os.urandom(5000)
PLACE = 70_000


class SavingQmp:
    """A monitor whose QEMU writes a state, or fails to."""

    def __init__(self, state: bytes = DEVICES, status: str = "completed") -> None:
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
        self.memory = guest_memory(1)
        self.pace = Pace(1.0)
        os.pwrite(self.memory, MEMORY, PLACE)


def save(path: Path, qmp: SavingQmp | None = None) -> None:
    machine = SavingVm(qmp or SavingQmp())
    try:
        snapshot.save(cast(Vm, machine), path)
    finally:
        os.close(machine.memory)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "state.zst"
    save(path)
    return path


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = guest_memory(1)
    yield descriptor
    os.close(descriptor)


def test_a_state_comes_back_as_it_was(saved: Path, memory: int) -> None:
    devices = snapshot.load(saved, memory)

    assert os.pread(devices, len(DEVICES) + 1, 0) == DEVICES
    os.close(devices)
    assert os.pread(memory, len(MEMORY), PLACE) == MEMORY


def test_memory_stays_out_of_what_qemu_writes(tmp_path: Path) -> None:
    qmp = SavingQmp()

    save(tmp_path / "state.zst", qmp)

    asked = qmp.commands
    assert asked.index("migrate-set-capabilities") < asked.index("migrate")


def test_nothing_is_written_when_qemu_can_not_save(tmp_path: Path) -> None:
    path = tmp_path / "state.zst"

    with pytest.raises(SnapshotError, match="failed"):
        save(path, SavingQmp(status="failed"))

    assert not path.exists()


def test_no_descriptor_is_left_open(tmp_path: Path, saved: Path, memory: int) -> None:
    before = os.listdir("/proc/self/fd")
    save(tmp_path / "second.zst")
    (tmp_path / "damaged").write_bytes(b"x" * 100)
    with pytest.raises(SnapshotError):
        snapshot.load(tmp_path / "damaged", memory)
    os.close(snapshot.load(saved, memory))

    assert os.listdir("/proc/self/fd") == before


def test_a_missing_state_is_refused(tmp_path: Path, memory: int) -> None:
    with pytest.raises(SnapshotError, match=r"state\.zst can't be read"):
        snapshot.load(tmp_path / "state.zst", memory)
