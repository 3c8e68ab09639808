"""Saved states of guests that were ready, and the keys that belong to them."""

import os
import shlex
import stat
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from runner.errors import InfrastructureError, file_errors
from runner.files import regular
from runner.files.cache import Cache, CacheEntry, key_of
from runner.guest.conversation import Conversation, of_kept
from runner.guest.keys import GuestKeys, of_saved_guest
from runner.guest.qemu import snapshot
from runner.guest.qemu.machine import Machine, command
from runner.guest.qemu.memory import guest_memory
from runner.guest.qemu.snapshot import SnapshotError
from runner.guest.sshlibrary import paramiko

KIND = "snapshots"
# Key of metadata: the kernel image's SHA-256.
IMAGE = "image_sha256"

# To be raised when what a saved guest is made of changes in a way that no key says.
_RECIPE = "5"
_STATE = "state.zst"
_KEYS = "keys.json"
_CONVERSATION = "conversation.json"
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A saved guest."""

    # A descriptor of the memory that its guests start with; filled with the state.
    memory: int = field(repr=False)
    # A descriptor of the rest of its state, once it is there.
    state: Future[int] = field(repr=False)
    keys: GuestKeys
    # What was said to its agent, and by it, in the connection that is part of it.
    conversation: Conversation
    # What was found out before it was saved.
    metadata: Mapping[str, JsonValue]


class Snapshots:
    """The snapshots of a cache; a state is read once and kept in memory."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._known: dict[str, Snapshot] = {}
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="snapshot")

    def is_refused(self, key: str) -> bool:
        """Whether it was found in this run that a key's snapshot is of no use."""
        return key in self._refused

    def refuse(self, key: str) -> bool:
        """Drop a key's snapshot, and use none of that key in this run.

        Return whether it was not refused before.
        """
        with self._lock:
            if key in self._refused:
                return False
            self._refused.add(key)
            self._known.pop(key, None)
        self._cache.drop(KIND, key)
        return True

    def has(self, key: str) -> bool:
        """Whether there is one, as far as can be known without reading it."""
        return key in self._known or (self._cache.root / KIND / key).is_dir()

    def find(self, key: str, *, memory: int) -> Snapshot | None:
        """Return the snapshot of a key, of guests with `memory` MiB, or None.

        Raises SnapshotError for one that can't be used.
        """
        with self._lock:
            if key not in self._known:
                entry = self._cache.lookup(KIND, key, verify=False)
                if entry is None:
                    return None
                self._known[key] = self._load(entry, memory)
            return self._known[key]

    def save(
        self,
        key: str,
        write: Callable[[Path], None],
        *,
        memory: int,
        keys: GuestKeys,
        conversation: Conversation,
        metadata: Mapping[str, JsonValue],
    ) -> Snapshot:
        """Keep a guest's state, which `write` writes to a path, and return it.

        What another process saved meanwhile is as good.
        Raises InfrastructureError when the disk can't hold it, and what `write` raises.
        """

        def build(folder: Path) -> Mapping[str, JsonValue]:
            write(folder / _STATE)
            _write_secret(folder / _KEYS, keys.kept)
            _write_secret(folder / _CONVERSATION, conversation.kept())
            return metadata

        entry = self._cache.entry(KIND, key, build, verify=False)
        with self._lock:
            self._known[key] = self._load(entry, memory)
            return self._known[key]

    def close(self) -> None:
        """Free the memory."""
        self._executor.shutdown()
        for known in self._known.values():
            os.close(known.memory)
            if known.state.exception() is None:
                os.close(known.state.result())
        self._known.clear()

    def _load(self, entry: CacheEntry, memory: int) -> Snapshot:
        _check_owner(entry.directory)
        try:
            keys = of_saved_guest(regular.read(entry.directory / _KEYS).decode())
            said = regular.read(entry.directory / _CONVERSATION).decode()
            conversation = of_kept(said)
        except (OSError, ValueError) as error:
            raise SnapshotError(f"the snapshot's keys can't be read: {error}") from None
        shared = guest_memory(memory)
        path = entry.directory / _STATE
        return Snapshot(
            memory=shared,
            # While it is read, QEMU starts.
            state=self._executor.submit(snapshot.load, path, shared),
            keys=keys,
            conversation=conversation,
            metadata=entry.metadata,
        )


def sizes(cache: Cache) -> dict[str, int]:
    """Return the bytes of each kernel's newest snapshot, by its image's SHA-256."""
    return {
        str(held.metadata[IMAGE]): held.size
        for held in cache.held()
        if held.kind == KIND and IMAGE in held.metadata
    }


def key(
    machine: Machine,
    initramfs: str,
    *,
    kernel: str,
    uploads: str,
    environment: str,
    qemu: str,
) -> str:
    """Return what two guests must share for one's state to fit the other.

    `initramfs`, `kernel` and `uploads`, which a guest got later, are checksums;
    `environment` is what was done to it after its boot; `qemu` is the version. The
    user is
    part of it, because nobody is to run what another one saved.
    Raises InfrastructureError when QEMU is not there.
    """
    neutral = replace(
        machine,
        kernel_path=kernel,
        initrd=initramfs,
        memory_path="",
        window_path="",
        console=Path("console"),
    )
    with file_errors(InfrastructureError, machine.qemu):
        program = machine.qemu.resolve().stat()
    return key_of(
        _RECIPE,
        # A client of another version says something else.
        paramiko.__version__,
        str(os.geteuid()),
        shlex.join(command(neutral, qmp_fd=0, console_fd=0, line_fd=0)),
        uploads,
        environment,
        f"{qemu} {program.st_size} {program.st_mtime_ns}",
        _processor() if machine.accelerator == "kvm" else "",
    )


def _processor() -> str:
    """Return what a guest under KVM sees of the host's processor."""
    names = ("model name", "stepping", "microcode", "flags")
    first, _, _ = _CPUINFO.read_text().partition("\n\n")
    return "\n".join(line for line in first.splitlines() if line.startswith(names))


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)


def _check_owner(directory: Path) -> None:
    for path in (directory, *(directory / it for it in (_STATE, _KEYS, _CONVERSATION))):
        try:
            found = path.lstat()
        except OSError as error:
            raise SnapshotError(f"the snapshot lacks {path.name}") from error
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise SnapshotError(f"the snapshot's {path.name} is not owned by you alone")
