"""A machine's saved state: written by one QEMU, read by others of the same kind."""

import logging
import os
import time
from pathlib import Path

import zstandard

from runner.deadline import Deadline
from runner.errors import InfrastructureError
from runner.qemu.qmp import Qmp
from runner.qemu.vm import Vm, memory_file

log = logging.getLogger(__name__)

# More is slower to write and hardly smaller.
_LEVEL = 3
_ASK_TIMEOUT = 5.0
_POLL = 0.002
# No limit that a local file could reach.
_BYTES_PER_SECOND = 1 << 40
_NAME = "state"
# Of a state, in bytes: more than the memory of any guest.
_LARGEST = 1 << 36


class SnapshotError(InfrastructureError):
    """A state that can't be saved, read or restored."""


def save(vm: Vm, path: Path, *, timeout: float) -> None:
    """Write a running machine's state; the machine stands still from then on.

    Raises SnapshotError when QEMU can't, and OSError when the disk can't.
    """
    state = memory_file(_NAME)
    try:
        _migrate(vm.qmp, state, Deadline.after(timeout))
        _compress(state, path)
    finally:
        os.close(state)


def _migrate(qmp: Qmp, descriptor: int, deadline: Deadline) -> None:
    try:
        qmp.execute(
            "migrate-set-parameters",
            {"max-bandwidth": _BYTES_PER_SECOND},
            timeout=_ASK_TIMEOUT,
        )
        qmp.give(_NAME, descriptor, timeout=_ASK_TIMEOUT)
        qmp.execute("migrate", {"uri": f"fd:{_NAME}"}, timeout=_ASK_TIMEOUT)
        _wait_for_migration(qmp, deadline)
    except SnapshotError:
        raise
    except InfrastructureError as error:
        raise SnapshotError(f"the guest's state can't be saved: {error}") from error


def _wait_for_migration(qmp: Qmp, deadline: Deadline) -> None:
    while True:
        found = qmp.execute("query-migrate", timeout=_ASK_TIMEOUT)
        status = found.get("status") if isinstance(found, dict) else None
        if status == "completed":
            return
        if status in ("failed", "cancelled") or deadline.expired:
            raise SnapshotError(f"the migration of the guest's state: {found}")
        time.sleep(_POLL)


def _compress(state: int, path: Path) -> None:
    # With a checksum, so that what is damaged on disk is noticed when it is read.
    compressor = zstandard.ZstdCompressor(
        level=_LEVEL, write_checksum=True, write_content_size=True, threads=-1
    )
    size = os.fstat(state).st_size
    os.lseek(state, 0, os.SEEK_SET)
    with (
        os.fdopen(os.dup(state), "rb") as source,
        open(path, "xb", opener=_for_owner) as target,
    ):
        compressor.copy_stream(source, target, size=size)
        target.flush()
        os.fsync(target.fileno())


def _for_owner(path: str, flags: int) -> int:
    # It holds the guest's host key.
    return os.open(path, flags, 0o600)


def load(path: Path) -> int:
    """Return a descriptor of a saved state, whole and in memory; the caller closes it.

    Raises SnapshotError when the file is missing or damaged.
    """
    state = memory_file(_NAME)
    try:
        _decompress(path, state)
    except (OSError, zstandard.ZstdError) as error:
        os.close(state)
        raise SnapshotError(f"{path.name} can't be read: {error}") from error
    except SnapshotError:
        os.close(state)
        raise
    return state


def _decompress(path: Path, state: int) -> None:
    packed = path.read_bytes()
    size = zstandard.get_frame_parameters(packed).content_size
    if not 0 < size <= _LARGEST:
        raise SnapshotError(f"{path.name} claims to hold {size} bytes")
    # In one piece: between two, all other threads would want the interpreter first.
    whole = zstandard.ZstdDecompressor().decompress(packed, allow_extra_data=False)
    with os.fdopen(os.dup(state), "wb") as target:
        target.write(whole)


def restore(vm: Vm, state: int, *, timeout: float) -> None:
    """Give a waiting machine its state; it runs on when this returns.

    `state` may be used again, by several machines at a time.
    Raises SnapshotError when QEMU refuses it.
    """
    # Opened anew, because readers of one description would share its position.
    own = os.open(f"/proc/self/fd/{state}", os.O_RDONLY)
    try:
        vm.qmp.execute(
            "migrate-set-parameters",
            # No switch has to learn where the guest is now; telling it keeps the guest
            # from its work for 15 ms.
            {"announce-rounds": 0},
            timeout=_ASK_TIMEOUT,
        )
        vm.qmp.give(_NAME, own, timeout=_ASK_TIMEOUT)
        vm.qmp.execute("migrate-incoming", {"uri": f"fd:{_NAME}"}, timeout=_ASK_TIMEOUT)
        _wait_until_running(vm, Deadline.after(timeout))
    except SnapshotError:
        raise
    except InfrastructureError as error:
        raise SnapshotError(f"QEMU refuses the saved state: {error}") from error
    finally:
        os.close(own)


def _wait_until_running(vm: Vm, deadline: Deadline) -> None:
    while True:
        found = vm.qmp.execute("query-status", timeout=_ASK_TIMEOUT)
        if isinstance(found, dict) and found.get("running"):
            return
        if not vm.running or deadline.expired:
            raise SnapshotError(f"the guest does not run on: {found}")
        time.sleep(_POLL)
