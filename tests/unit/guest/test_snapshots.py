"""Snapshots in the cache: keyed by all that matters, their user's alone."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.guest import keys, snapshots
from runner.guest.conversation import Conversation, Draws, Heard
from runner.guest.keys import GuestKeys
from runner.guest.qemu import statefile
from runner.guest.qemu.machine import Machine
from runner.guest.qemu.memory import guest_memory, memory_file
from runner.guest.qemu.snapshot import SnapshotError
from runner.guest.snapshots import KIND, Snapshots
from tests.unit.guest.doubles import MACHINE

STATE = b"state " * 1000
MEMORY = b"memory"
KEY = "0" * 64
SAID = Conversation(
    draws=Draws(half=b"half", opening=b"opening"),
    heard=(Heard(after=2, data=b"come in"),),
    said=4,
)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def known(cache: Cache) -> Iterator[Snapshots]:
    made = Snapshots(cache)
    yield made
    made.close()


def write(path: Path) -> None:
    memory, devices = guest_memory(1), memory_file("devices", STATE)
    os.pwrite(memory, MEMORY, 0)
    statefile.write(path, memory=memory, devices=devices)
    os.close(memory)
    os.close(devices)


def save(known: Snapshots, secrets: GuestKeys | None = None) -> None:
    known.save(
        KEY,
        write,
        memory=1,
        keys=secrets or keys.generate(),
        conversation=SAID,
        metadata={"bpftool": "7.1.0"},
    )


@pytest.fixture
def fresh(cache: Cache) -> Iterator[Callable[[], Snapshots]]:
    """Snapshots as another process sees them."""
    made: list[Snapshots] = []

    def look() -> Snapshots:
        made.append(Snapshots(cache))
        return made[-1]

    yield look
    for it in made:
        it.close()


def test_a_snapshot_is_found_with_its_keys(
    known: Snapshots, fresh: Callable[[], Snapshots]
) -> None:
    secrets = keys.generate()
    assert known.find(KEY, memory=1) is None
    assert not known.has(KEY)
    save(known, secrets)

    found = fresh().find(KEY, memory=1)

    assert found is not None
    assert os.pread(found.state.result(), 1 << 20, 0) == STATE
    assert os.pread(found.memory, len(MEMORY), 0) == MEMORY
    assert found.keys.client == secrets.client
    assert found.keys.host == secrets.host
    assert found.conversation == SAID
    assert found.metadata == {"bpftool": "7.1.0"}
    assert fresh().has(KEY)


def test_a_state_is_read_once(known: Snapshots) -> None:
    save(known)

    assert known.find(KEY, memory=1) is known.find(KEY, memory=1)


def test_keys_are_readable_by_their_owner_only(known: Snapshots, cache: Cache) -> None:
    save(known)

    folder = cache.root / KIND / KEY
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "keys.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", [".", "keys.json", "conversation.json", "state.zst"])
@pytest.mark.parametrize("mode", [0o770, 0o704])
def test_what_others_can_read_or_write_is_not_used(
    known: Snapshots,
    fresh: Callable[[], Snapshots],
    cache: Cache,
    name: str,
    mode: int,
) -> None:
    save(known)
    (cache.root / KIND / KEY / name).chmod(mode)

    with pytest.raises(SnapshotError, match="not owned by you alone"):
        fresh().find(KEY, memory=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_another_users_snapshot_is_not_used(
    known: Snapshots, fresh: Callable[[], Snapshots], cache: Cache
) -> None:
    save(known)
    os.chown(cache.root / KIND / KEY / "state.zst", 12345, -1)

    with pytest.raises(SnapshotError, match="not owned by you alone"):
        fresh().find(KEY, memory=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("keys.json", ""),
        ("keys.json", "{}"),
        ("keys.json", '{"client": "PRIVATE", "host": ""}'),
        ("conversation.json", ""),
        ("conversation.json", '{"half": "PRIVATE", "opening": ""}'),
    ],
)
def test_damaged_keys_are_refused_and_not_shown(
    known: Snapshots,
    fresh: Callable[[], Snapshots],
    cache: Cache,
    name: str,
    content: str,
) -> None:
    save(known)
    (cache.root / KIND / KEY / name).write_text(content)

    with pytest.raises(SnapshotError) as raised:
        fresh().find(KEY, memory=1)

    assert "PRIVATE" not in str(raised.value)


def test_keys_are_not_shown(known: Snapshots) -> None:
    save(known)
    found = known.find(KEY, memory=1)

    assert found is not None
    assert "PRIVATE" not in repr(found)
    assert found.keys.client.get_base64() not in repr(found)


def test_a_save_that_fails_leaves_nothing(known: Snapshots, cache: Cache) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise SnapshotError("QEMU is gone")

    with pytest.raises(SnapshotError, match="QEMU is gone"):
        known.save(
            KEY,
            fail,
            memory=1,
            keys=keys.generate(),
            conversation=SAID,
            metadata={},
        )

    assert known.find(KEY, memory=1) is None
    assert not [path for path in cache.root.rglob("*") if path.name == "state.zst"]


def test_a_refused_snapshot_is_dropped_and_not_asked_for_again(
    known: Snapshots, fresh: Callable[[], Snapshots]
) -> None:
    save(known)

    known.refuse(KEY)

    assert known.is_refused(KEY)
    assert known.find(KEY, memory=1) is None
    assert fresh().find(KEY, memory=1) is None
    assert not fresh().is_refused(KEY)


# ------------------------------------------------------------------ its key


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    qemu = tmp_path / "qemu"
    qemu.write_text("qemu")
    return replace(MACHINE, qemu=qemu)


def key(
    machine: Machine,
    *,
    initramfs: str = "i",
    kernel: str = "k",
    uploads: str = "u",
    environment: str = "e",
    qemu: str = "7.2",
) -> str:
    return snapshots.key(
        machine,
        initramfs,
        kernel=kernel,
        uploads=uploads,
        environment=environment,
        qemu=qemu,
    )


def test_a_key_does_not_depend_on_where_files_lie(machine: Machine) -> None:
    other = replace(machine, console=Path("/other"), kernel=Path("/other"), initrd="o")
    other = replace(other, memory_path="/dev/fd/42")

    assert key(machine) == key(other)


def test_a_key_depends_on_all_that_a_state_does(machine: Machine) -> None:
    keys_ = [
        key(machine),
        key(machine, initramfs="other"),
        key(machine, kernel="other"),
        key(machine, uploads="other"),
        key(machine, environment="other"),
        key(machine, qemu="8.0"),
        key(replace(machine, accelerator="kvm")),
        key(replace(machine, memory=512)),
        key(replace(machine, nic="e1000")),
        key(replace(machine, arguments=("quiet",))),
    ]
    machine.qemu.write_text("rebuilt, with the same version")
    keys_.append(key(machine))

    assert len(set(keys_)) == len(keys_)


def test_a_key_belongs_to_its_user(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = key(machine)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    assert key(machine) != mine
