"""A machine's saved state: written by one QEMU, read by others of the same kind."""

import logging
import os
import time
from pathlib import Path

import zstandard

from runner import timeouts
from runner.deadline import Deadline
from runner.errors import InfrastructureError
from runner.guest.qemu import statefile
from runner.guest.qemu.memory import memory_file
from runner.guest.qemu.qmp import Qmp
from runner.guest.qemu.vm import Vm

log = logging.getLogger(__name__)

_POLL = 0.002
# No limit that a local file could reach.
_BYTES_PER_SECOND = 1 << 40
_NAME = "state"


class SnapshotError(InfrastructureError):
    """A state that can't be saved, read or restored."""


def save(vm: Vm, path: Path) -> None:
    """Write the state of a machine that booted; it stands still from then on.

    Raises SnapshotError when QEMU can't, and OSError when the disk can't.
    """
    devices = memory_file(_NAME)
    try:
        _migrate(vm, devices)
        statefile.write(path, memory=vm.memory, devices=devices)
    finally:
        os.close(devices)


def _migrate(vm: Vm, descriptor: int) -> None:
    qmp, answer = vm.qmp, vm.pace.seconds(timeouts.QEMU_ANSWER)
    try:
        _leave_out_memory(qmp, answer)
        qmp.execute(
            "migrate-set-parameters",
            {"max-bandwidth": _BYTES_PER_SECOND},
            timeout=answer,
        )
        qmp.give(_NAME, descriptor, timeout=answer)
        qmp.execute("migrate", {"uri": f"fd:{_NAME}"}, timeout=answer)
        _wait_for_migration(qmp, vm.pace.deadline(timeouts.SAVE), answer)
    except SnapshotError:
        raise
    except InfrastructureError as error:
        raise SnapshotError(f"the guest's state can't be saved: {error}") from error


def _wait_for_migration(qmp: Qmp, deadline: Deadline, answer: float) -> None:
    while True:
        found = qmp.execute("query-migrate", timeout=answer)
        status = found.get("status") if isinstance(found, dict) else None
        if status == "completed":
            return
        if status in ("failed", "cancelled") or deadline.expired:
            raise SnapshotError(f"saving the guest's state failed: {found}")
        time.sleep(_POLL)


def _leave_out_memory(qmp: Qmp, answer: float) -> None:
    # It is in a file of its own, which a guest has before it has the rest.
    wanted = {"capability": "x-ignore-shared", "state": True}
    qmp.execute("migrate-set-capabilities", {"capabilities": [wanted]}, timeout=answer)


def load(path: Path, memory: int) -> int:
    """Fill the memory that guests are to share, and seal it.

    Return a descriptor of the rest of the saved state; the caller closes it.
    Raises SnapshotError when the file is missing or damaged.
    """
    try:
        return statefile.read(path, memory)
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise SnapshotError(f"{path.name} can't be read: {error}") from error


def restore(vm: Vm, state: int, *, timeout: float) -> None:
    """Give a waiting machine, whose memory is there, the rest of its state.

    It runs on when this returns. `state` may be used again, by several machines at a
    time.
    Raises SnapshotError when QEMU refuses it.
    """
    # Opened again, because readers of one description would share its position.
    own = os.open(f"/proc/self/fd/{state}", os.O_RDONLY)
    answer = vm.pace.seconds(timeouts.QEMU_ANSWER)
    try:
        _leave_out_memory(vm.qmp, answer)
        vm.qmp.execute(
            "migrate-set-parameters",
            # No switch has to learn where the guest is now; telling it keeps the guest
            # from its work for 15 ms.
            {"announce-rounds": 0},
            timeout=answer,
        )
        vm.qmp.give(_NAME, own, timeout=answer)
        vm.qmp.execute("migrate-incoming", {"uri": f"fd:{_NAME}"}, timeout=answer)
        _wait_until_running(vm, Deadline.after(timeout), answer)
    except SnapshotError:
        raise
    except InfrastructureError as error:
        raise SnapshotError(f"QEMU refuses the saved state: {error}") from error
    finally:
        os.close(own)


def _wait_until_running(vm: Vm, deadline: Deadline, answer: float) -> None:
    while True:
        found = vm.qmp.execute("query-status", timeout=answer)
        if isinstance(found, dict) and found.get("running"):
            return
        if not vm.running or deadline.expired:
            raise SnapshotError(f"the guest does not continue to run: {found}")
        time.sleep(_POLL)
