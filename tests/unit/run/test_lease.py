"""Guests that are lent: one at a time, each kernel's failure told once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest

from runner import reports
from runner.errors import ArtifactError, GuestError, RunnerError
from runner.files.cache import Cache
from runner.guest import guest as session_guest
from runner.guest.guest import Guest, Origin, Starts
from runner.guest.host import Host, Initramfs
from runner.guest.image.initramfs import Tools
from runner.guest.qemu.vm import Vm
from runner.guest.snapshots import Snapshots
from runner.kernels.artifact import Artifact
from runner.libbpf import Programs
from runner.matrix.matrix import DebianSource, Kernel
from runner.run.guestfactory import Bringups
from runner.run.lease import Guests
from runner.timeouts import Pace
from tests.unit.guest.doubles import FakeVm, artifact, guest

OLD, NEW = (
    Kernel(id=id_, source=DebianSource(type="debian", suite="bookworm"))
    for id_ in ("5.10", "6.1")
)

# Seconds; a test that takes that long has failed.
PATIENCE = 20


class Starter:
    """Starts guests that do nothing, and fails for kernels that it is told to."""

    def __init__(self, **failures: RunnerError) -> None:
        self.failures: dict[str, RunnerError] = dict(failures)
        self.started: list[str] = []
        self.starts: list[Starts] = []
        self.ended: list[str] = []

    @contextmanager
    def __call__(
        self, origin: Origin, console: Path, starts: Starts
    ) -> Iterator[Guest]:
        kernel = origin.kernel
        self.started.append(kernel.id)
        self.starts.append(starts)
        console.write_text(f"{kernel.id} speaks\n")
        if kernel.id in self.failures:
            raise self.failures[kernel.id]
        starts.boots.append(1.5)
        yield guest(kernel=kernel, vm=FakeVm())
        self.ended.append(kernel.id)


class SavedGuests(Snapshots):
    """Has every kernel's snapshot."""

    def has(self, key: str) -> bool:
        return not self.is_refused(key)


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    made = Starter()
    monkeypatch.setattr(session_guest, "start", made)
    packed = Initramfs(path=Path("/cache/initramfs"), checksum="")
    monkeypatch.setattr(Origin, "initramfs", packed)
    return made


@pytest.fixture
def bringups(starter: Starter, tmp_path: Path) -> Iterator[Bringups]:
    """What lenders of guests that boot share."""
    yield from shared(tmp_path, cold=True)


@pytest.fixture
def clean_bringups(
    starter: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bringups]:
    """What lenders of guests that come from snapshots share."""
    monkeypatch.setattr(Origin, "snapshot_key", "key")
    yield from shared(tmp_path, cold=False)


@pytest.fixture
def guests(bringups: Bringups) -> Iterator[Guests]:
    """Guests that boot."""
    made = Guests(bringups)
    yield made
    made.close()


@pytest.fixture
def clean_guests(clean_bringups: Bringups) -> Iterator[Guests]:
    """Guests that come from snapshots."""
    made = Guests(clean_bringups)
    yield made
    made.close()


def shared(tmp_path: Path, *, cold: bool) -> Iterator[Bringups]:
    cache = Cache(tmp_path / "cache")
    host = Host(
        qemu=Path("/usr/bin/qemu"),
        qemu_version="7.2",
        tools=Tools(agent=Path("/agent"), recipe=Path("/images")),
        programs=Programs(source="/mine", sha256="ab12"),
        cache=cache,
        snapshots=SavedGuests(cache),
        cold=cold,
        pace=Pace(2.5),
    )
    artifacts: dict[str, Artifact | RunnerError] = {
        "5.10": artifact(),
        "6.1": artifact(),
        "sid": ArtifactError("no mirror"),
    }
    for id_ in artifacts:
        reports.folder_of(id_, tmp_path / "reports").mkdir(parents=True, exist_ok=True)
    made = Bringups(host, artifacts, tmp_path / "reports")
    yield made
    made.close()


def test_a_guest_is_lent_as_long_as_it_is_usable(
    guests: Guests, starter: Starter
) -> None:
    assert guests.lease(NEW, "a") is guests.lease(NEW, "a")
    assert starter.started == ["6.1"]


def test_a_lost_guest_is_replaced(
    guests: Guests, bringups: Bringups, starter: Starter
) -> None:
    first = guests.lease(NEW, "a")
    first.lost = True

    second = guests.lease(NEW, "a")

    assert second is not first
    assert second.usable
    assert starter.started == ["6.1", "6.1"]
    assert starter.ended == ["6.1"]
    assert bringups.run_of(NEW).boots == (1.5, 1.5)


def test_a_guest_whose_qemu_is_gone_is_replaced(
    guests: Guests, starter: Starter
) -> None:
    first = guests.lease(NEW, "a")
    first.vm.running = False  # type: ignore[misc]

    assert guests.lease(NEW, "a") is not first
    assert starter.ended == ["6.1"]


def test_another_kernel_ends_the_guest_before(guests: Guests, starter: Starter) -> None:
    guests.lease(OLD, "a")
    guests.lease(NEW, "a")

    assert starter.started == ["5.10", "6.1"]
    assert starter.ended == ["5.10"]


def test_a_kernel_that_does_not_come_up_is_tried_once(
    guests: Guests, bringups: Bringups, starter: Starter
) -> None:
    failure = GuestError("no answer", cause="no_answer", console="the last words")
    starter.failures["5.10"] = failure

    for _ in range(3):
        with pytest.raises(GuestError) as caught:
            guests.lease(OLD, "a")
        assert caught.value is failure
    assert starter.started == ["5.10"]
    # It does not keep the others.
    assert guests.lease(NEW, "a").usable
    told = bringups.run_of(OLD)
    assert (told.error, told.console) == ("no answer", "the last words")


def test_a_kernel_without_files_is_never_started(
    guests: Guests, bringups: Bringups, starter: Starter
) -> None:
    kernel = OLD.model_copy(update={"id": "sid"})

    with pytest.raises(ArtifactError, match="no mirror"):
        guests.lease(kernel, "a")

    assert starter.started == []
    assert bringups.run_of(kernel).error == "no mirror"


def test_what_was_seen_of_a_kernel_is_told(guests: Guests, bringups: Bringups) -> None:
    guests.lease(NEW, "a")
    told = bringups.run_of(NEW)

    assert told.release == "6.1.0-50-cloud-amd64"
    assert told.image == "bookworm linux-image"
    assert (told.accelerator, told.qemu) == ("tcg", "7.2")
    assert (told.libbpf, told.bpftool) == ("1.1", "7.1.0")
    assert (told.libbpf_source, told.libbpf_sha256) == ("/mine", "ab12")
    assert told.timeout_scale == 2.5
    assert told.remarks == ("timeouts were up to 2.5 times as long as usual",)
    assert bringups.run_of(OLD).release == ""


def test_closing_ends_the_guest_and_may_be_done_twice(
    guests: Guests, starter: Starter
) -> None:
    guests.lease(NEW, "a")

    guests.close()
    guests.close()

    assert starter.ended == ["6.1"]


def test_guests_that_boot_serve_every_tenant(guests: Guests, starter: Starter) -> None:
    assert guests.lease(NEW, "a") is guests.lease(NEW, "b")
    assert starter.started == ["6.1"]


def test_nobody_gets_a_guest_that_another_tenant_used(
    clean_guests: Guests, starter: Starter
) -> None:
    first = clean_guests.lease(NEW, "a")

    assert clean_guests.lease(NEW, "a") is first
    assert clean_guests.lease(NEW, "b") is not first
    assert starter.ended == ["6.1"]


def test_the_next_tenants_guest_is_started_meanwhile(
    clean_guests: Guests, starter: Starter
) -> None:
    clean_guests.expect(NEW, "b")
    clean_guests.lease(NEW, "a")
    clean_guests.expect(None, "")
    clean_guests.lease(NEW, "b")

    assert starter.started == ["6.1", "6.1"]
    assert starter.ended == ["6.1"]


def test_no_guest_is_started_for_who_has_one(
    clean_guests: Guests, starter: Starter
) -> None:
    clean_guests.expect(NEW, "a")
    clean_guests.lease(NEW, "a")
    clean_guests.close()

    assert starter.started == ["6.1"]


def test_no_guest_is_prepared_that_would_have_to_boot(
    guests: Guests, starter: Starter
) -> None:
    guests.prepare(NEW)
    guests.close()

    assert starter.started == []


def test_a_guest_that_was_prepared_for_another_kernel_is_ended(
    clean_guests: Guests, starter: Starter
) -> None:
    clean_guests.prepare(OLD)
    clean_guests.lease(NEW, "a")
    clean_guests.close()

    assert sorted(starter.started) == ["5.10", "6.1"]
    assert sorted(starter.ended) == ["5.10", "6.1"]


def test_a_kernel_that_can_not_be_prepared_is_told_of_at_its_lease(
    clean_guests: Guests, starter: Starter
) -> None:
    starter.failures["6.1"] = GuestError("no answer")
    clean_guests.prepare(NEW)

    with pytest.raises(GuestError, match="no answer"):
        clean_guests.lease(NEW, "a")


def test_each_guests_console_ends_up_in_its_kernels(
    clean_guests: Guests, tmp_path: Path
) -> None:
    clean_guests.lease(NEW, "a")
    clean_guests.lease(NEW, "b")
    clean_guests.close()

    folder = reports.folder_of("6.1", tmp_path / "reports")
    assert (folder / reports.CONSOLE).read_text() == "6.1 speaks\n" * 2
    assert [path.name for path in folder.glob("console*")] == [reports.CONSOLE]


def test_lenders_share_what_kept_a_kernel_from_coming_up(
    bringups: Bringups, starter: Starter
) -> None:
    starter.failures["6.1"] = GuestError("no answer")

    for guests in (Guests(bringups), Guests(bringups)):
        with pytest.raises(GuestError, match="no answer"):
            guests.lease(NEW, "a")
        guests.close()

    assert starter.started == ["6.1"]


def test_two_lenders_guests_are_two(
    clean_bringups: Bringups, clean_guests: Guests
) -> None:
    other = Guests(clean_bringups)

    assert other.lease(NEW, "a") is not clean_guests.lease(NEW, "a")
    other.close()


# ------------------------------------------------------------- several threads


@pytest.fixture
def saving_bringups(
    starter: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bringups]:
    """What lenders of guests share whose snapshot is still to be saved."""
    monkeypatch.setattr(Origin, "snapshot_key", "key")
    monkeypatch.setattr(SavedGuests, "has", lambda *_: False)
    yield from shared(tmp_path, cold=False)


def test_who_waits_for_a_snapshot_learns_why_there_is_none(
    saving_bringups: Bringups, starter: Starter
) -> None:
    failure = GuestError("no answer")
    starter.failures["6.1"] = failure
    both = threading.Barrier(2)

    def start(_: int) -> BaseException | None:
        both.wait(PATIENCE)
        try:
            saving_bringups.start(NEW)
        except GuestError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(start, range(2)))

    assert caught == [failure, failure]
    assert starter.started == ["6.1"]


def test_the_first_reason_to_give_a_kernel_up_is_kept(bringups: Bringups) -> None:
    first, second = GuestError("the first"), GuestError("the second")

    bringups.give_up(NEW, first)
    bringups.give_up(NEW, second)

    assert bringups.run_of(NEW).error == "the first"


def test_a_kernel_that_is_first_asked_for_after_the_stop_does_not_start(
    bringups: Bringups, starter: Starter
) -> None:
    bringups.stop()
    bringups.start(NEW).stack.close()

    killed = Mock()
    (starts,) = starter.starts
    with starts.watched(cast(Vm, Mock(process=killed))):
        killed.kill.assert_called_once()
