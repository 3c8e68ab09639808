"""GuestLease that are lent: one at a time, each kernel's failure reported once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest
from pydantic import JsonValue

from runner import reports
from runner.deadline import Deadline
from runner.errors import (
    ArtifactError,
    GuestError,
    InfrastructureError,
    RunnerError,
)
from runner.files.cache import Cache
from runner.files.patternlist import NO_LINES, ConsoleLines, LinePattern
from runner.guest import guest as session_guest
from runner.guest.firstwords import FirstWords
from runner.guest.guest import Guest, Origin
from runner.guest.host import Host, Initramfs
from runner.guest.life import Life, Starts, State
from runner.guest.qemu.vm import Vm
from runner.kernels.artifact import Artifact
from runner.matrix.matrix import DebianSource, Kernel
from runner.run.guestfactory import GuestFactory
from runner.run.lease import GuestLease, Need
from tests.unit.guest.doubles import (
    FakeAgent,
    FakeVm,
    SavedGuests,
    artifact,
    guest,
    machine_of,
)

OLD, NEW = (
    Kernel(id=id_, source=DebianSource(type="debian", suite="bookworm"))
    for id_ in ("5.10", "6.1")
)

# Seconds; a test that takes that long has failed.
PATIENCE = 20


def counted(**parts: JsonValue) -> dict[str, JsonValue]:
    """Return an agent's census with what a test says, and nothing else of BPF."""
    found: dict[str, JsonValue] = {"programs": [], "maps": [], **parts}
    return {"parts": found, "available_kib": 1 << 20}


class CountingAgent(FakeAgent):
    """Gives one census after the other; the last one again and again."""

    def __init__(self, *counts: dict[str, JsonValue]) -> None:
        super().__init__()
        self._counts = list(counts)

    def receive_line(self, deadline: Deadline) -> bytes:
        if self.operations[-1] == "census":
            first, *rest = self._counts
            self._counts = rest or [first]
            self._answers["census"] = first
        return super().receive_line(deadline)


class Starter:
    """Starts guests that do nothing, and fails for kernels that it is told to."""

    def __init__(self, **failures: RunnerError) -> None:
        self.failures: dict[str, RunnerError] = dict(failures)
        self.started: list[str] = []
        self.starts: list[Starts] = []
        self.ended: list[str] = []
        # Of the guests, in turn; then they answer as usual.
        self.agents: list[FakeAgent] = []
        # Of all guests.
        self.first_words = FirstWords()

    @contextmanager
    def __call__(self, origin: Origin, console: Path, life: Life) -> Iterator[Guest]:
        kernel = origin.kernel
        self.started.append(kernel.id)
        self.starts.append(life.starts)
        life.to(State.BOOTING)
        console.write_text(f"{kernel.id} speaks\n")
        if kernel.id in self.failures:
            raise self.failures[kernel.id]
        life.starts.boots.append(1.5)
        life.to(State.READY)
        agent = self.agents.pop(0) if self.agents else FakeAgent()
        made = guest(agent, kernel=kernel, vm=FakeVm(), life=life)
        made.first_words = self.first_words
        yield made
        self.ended.append(kernel.id)


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    made = Starter()
    monkeypatch.setattr(session_guest, "start", made)
    packed = Initramfs(path=Path("/cache/initramfs"), checksum="")
    monkeypatch.setattr(Origin, "initramfs", packed)
    return made


@pytest.fixture
def factory(starter: Starter, tmp_path: Path) -> Iterator[GuestFactory]:
    """What lenders of guests that boot share."""
    yield from shared(tmp_path, cold=True)


@pytest.fixture
def clean_factory(
    starter: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GuestFactory]:
    """What lenders of guests that come from snapshots share."""
    monkeypatch.setattr(Origin, "snapshot_key", "key")
    yield from shared(tmp_path, cold=False)


@pytest.fixture
def guests(factory: GuestFactory) -> Iterator[GuestLease]:
    """GuestLease that boot."""
    made = GuestLease(factory)
    yield made
    made.close()


@pytest.fixture
def clean_guests(clean_factory: GuestFactory) -> Iterator[GuestLease]:
    """GuestLease that come from snapshots."""
    made = GuestLease(clean_factory)
    yield made
    made.close()


def shared(
    tmp_path: Path, *, cold: bool, fresh: bool = False
) -> Iterator[GuestFactory]:
    host = machine_of(Cache(tmp_path / "cache"), cold=cold)
    artifacts: dict[str, Artifact | RunnerError] = {
        "5.10": artifact(),
        "6.1": artifact(),
        "sid": ArtifactError("no mirror"),
    }
    for id_ in artifacts:
        reports.folder_of(id_, tmp_path / "reports").mkdir(parents=True, exist_ok=True)
    made = GuestFactory(
        lambda: host, artifacts, tmp_path / "reports", reuses=lambda: not fresh
    )
    yield made
    made.close()


def leased(
    guests: GuestLease, kernel: Kernel, tenant: str, following: Need | None = None
) -> Guest:
    """Lease a guest, give it back, and return it."""
    with guests.lease(Need(kernel=kernel, tenant=tenant), following) as found:
        assert found.life.state is State.LEASED
        return found


def test_a_guest_is_lent_as_long_as_it_is_usable(
    guests: GuestLease, starter: Starter
) -> None:
    assert leased(guests, NEW, "a") is leased(guests, NEW, "a")
    assert starter.started == ["6.1"]


MINE = LinePattern(pattern="^mine: lost", reason="it lost something")


@pytest.mark.parametrize(
    ("suites", "is_noted"),
    [
        ([NO_LINES], False),
        ([ConsoleLines(deny=(MINE,))], True),
        ([ConsoleLines(deny=(MINE,), allow=(MINE,))], False),
        # What one suite allows says nothing to another one.
        ([ConsoleLines(deny=(MINE,), allow=(MINE,)), ConsoleLines(deny=(MINE,))], True),
    ],
)
def test_the_lists_of_a_suite_count_before_its_first_case(
    guests: GuestLease,
    factory: GuestFactory,
    starter: Starter,
    suites: list[ConsoleLines],
    is_noted: bool,
) -> None:
    starter.first_words = FirstWords(booting="[    1.0] mine: lost 5\n")

    for number, splats in enumerate(suites):
        need = Need(kernel=NEW, tenant=str(number), splats=splats)
        for _ in range(2):
            with guests.lease(need):
                pass

    notes = factory.run_of(NEW).notes
    assert len(notes) == is_noted
    assert all("mine: lost 5 (it lost something)" in it for it in notes)


def test_a_lost_guest_is_replaced(
    guests: GuestLease, factory: GuestFactory, starter: Starter
) -> None:
    first = leased(guests, NEW, "a")
    first.life.to(State.LOST)

    second = leased(guests, NEW, "a")

    assert second is not first
    assert second.usable
    assert starter.started == ["6.1", "6.1"]
    assert starter.ended == ["6.1"]
    assert factory.run_of(NEW).boots == (1.5, 1.5)


@pytest.mark.parametrize("tenant", ["a", "b"])
def test_a_guest_whose_kernel_reported_a_fault_serves_nobody_more(
    guests: GuestLease, starter: Starter, tenant: str
) -> None:
    first = leased(guests, NEW, "a")
    first.has_reported = True

    assert leased(guests, NEW, tenant) is not first
    assert starter.ended == ["6.1"]


def test_a_guest_whose_qemu_is_gone_is_replaced(
    guests: GuestLease, starter: Starter
) -> None:
    first = leased(guests, NEW, "a")
    first.vm.running = False  # type: ignore[misc]

    assert leased(guests, NEW, "a") is not first
    assert starter.ended == ["6.1"]


def test_another_kernel_ends_the_guest_before(
    guests: GuestLease, starter: Starter
) -> None:
    leased(guests, OLD, "a")
    leased(guests, NEW, "a")

    assert starter.started == ["5.10", "6.1"]
    assert starter.ended == ["5.10"]


def test_a_kernel_that_does_not_come_up_is_tried_once(
    guests: GuestLease, factory: GuestFactory, starter: Starter
) -> None:
    failure = GuestError("no answer", cause="no_answer", console="the last words")
    starter.failures["5.10"] = failure

    for _ in range(3):
        with pytest.raises(GuestError) as caught:
            leased(guests, OLD, "a")
        assert caught.value is failure
    assert starter.started == ["5.10"]
    # It does not keep the others.
    assert leased(guests, NEW, "a").usable
    told = factory.run_of(OLD)
    assert (told.error, told.console) == ("no answer", "the last words")


def test_a_kernel_without_files_is_never_started(
    guests: GuestLease, factory: GuestFactory, starter: Starter
) -> None:
    kernel = OLD.model_copy(update={"id": "sid"})

    with pytest.raises(ArtifactError, match="no mirror"):
        leased(guests, kernel, "a")

    assert starter.started == []
    assert factory.run_of(kernel).error == "no mirror"


def test_what_was_seen_of_a_kernel_is_told(
    guests: GuestLease, factory: GuestFactory
) -> None:
    leased(guests, NEW, "a")
    told = factory.run_of(NEW)

    assert told.release == "6.1.0-50-cloud-amd64"
    assert told.image == "bookworm linux-image"
    assert (told.accelerator, told.qemu) == ("tcg", "7.2")
    assert (told.libbpf, told.bpftool) == ("1.1", "7.1.0")
    assert (told.libbpf_source, told.libbpf_sha256) == ("/mine", "ab12")
    assert told.timeout_scale == 2.5
    assert told.remarks == ("timeouts were up to 2.5 times as long as usual",)
    assert factory.run_of(OLD).release == ""


def test_closing_ends_the_guest_and_may_be_done_twice(
    guests: GuestLease, starter: Starter
) -> None:
    leased(guests, NEW, "a")

    guests.close()
    guests.close()

    assert starter.ended == ["6.1"]


def test_guests_that_boot_serve_every_tenant(
    guests: GuestLease, starter: Starter
) -> None:
    assert leased(guests, NEW, "a") is leased(guests, NEW, "b")
    assert starter.started == ["6.1"]


def test_nobody_gets_a_guest_that_another_tenant_used(
    clean_guests: GuestLease, starter: Starter
) -> None:
    first = leased(clean_guests, NEW, "a")

    assert leased(clean_guests, NEW, "a") is first
    assert leased(clean_guests, NEW, "b") is not first
    assert starter.ended == ["6.1"]


def used(
    guests: GuestLease, tenant: str, *, sees: bool = True, commands: bool = False
) -> Guest:
    """Lease a guest as a case does that takes used ones."""
    need = Need(
        kernel=NEW,
        tenant=tenant,
        takes_used=True,
        is_seen=sees,
        runs_commands=commands,
    )
    with guests.lease(need) as found:
        return found


def test_a_guest_that_is_as_at_its_start_serves_the_next_object(
    clean_guests: GuestLease, starter: Starter
) -> None:
    first = used(clean_guests, "a")
    assert first.served == 0

    assert used(clean_guests, "b") is first
    assert used(clean_guests, "b") is first
    assert first.served == 1
    assert used(clean_guests, "c") is first
    assert first.served == 2
    assert starter.started == ["6.1"]


def test_no_guest_is_started_for_who_may_get_a_used_one(
    clean_guests: GuestLease, starter: Starter
) -> None:
    need = Need(kernel=NEW, tenant="a", takes_used=True, is_seen=True)
    following = Need(kernel=NEW, tenant="b", takes_used=True)
    with clean_guests.lease(need, following):
        pass
    clean_guests.close()

    assert starter.started == ["6.1"]


@pytest.mark.parametrize(
    "left",
    [
        counted(maps=["7"]),
        counted(pins=["/sys/fs/bpf/left"]),
        # A kernel that does not tell what it holds.
        {"parts": {"programs": None, "maps": []}, "available_kib": 1 << 20},
    ],
)
def test_a_guest_in_which_something_is_left_serves_nobody_else(
    clean_guests: GuestLease, starter: Starter, left: dict[str, JsonValue]
) -> None:
    starter.agents = [CountingAgent(counted(pins=[]), left)]
    first = used(clean_guests, "a")

    second = used(clean_guests, "b")

    assert second is not first
    assert second.served == 0
    assert starter.ended == ["6.1"]


def test_a_guest_that_dies_of_its_census_serves_nobody_else(
    clean_guests: GuestLease, starter: Starter
) -> None:
    first = used(clean_guests, "a")
    first.agent._loss("gone")

    assert used(clean_guests, "b") is not first
    assert first.life.state is State.ENDED


@pytest.mark.parametrize("spoil", ["suspect", "unseen", "reported"])
def test_a_guest_that_can_not_be_proven_clean_serves_nobody_else(
    clean_guests: GuestLease, spoil: str
) -> None:
    first = used(clean_guests, "a", sees=spoil != "unseen")
    first.is_suspect = spoil == "suspect"
    first.has_reported = spoil == "reported"

    assert used(clean_guests, "b") is not first


def test_what_was_not_seen_once_is_not_forgotten(clean_guests: GuestLease) -> None:
    first = used(clean_guests, "a", sees=False)
    assert used(clean_guests, "a") is first

    assert used(clean_guests, "b") is not first


def test_sysctls_are_counted_before_the_first_command_and_after(
    clean_guests: GuestLease, starter: Starter
) -> None:
    agent = CountingAgent(counted())
    starter.agents = [agent]
    for tenant, commands in (("a", False), ("b", True), ("b", True), ("c", False)):
        used(clean_guests, tenant, commands=commands)

    asked = [it["sysctls"] for it in agent.requests if it["op"] == "census"]
    # At the start, for b, before its command, and for c.
    assert asked == [0, 0, 1, 1]


def test_a_sysctl_that_a_command_set_ends_the_guest(
    clean_guests: GuestLease, starter: Starter
) -> None:
    plain = counted()
    before, after = counted(sysctls=["kernel: 1"]), counted(sysctls=["kernel: 2"])
    starter.agents = [CountingAgent(plain, before, after)]
    first = used(clean_guests, "a", commands=True)

    assert used(clean_guests, "b") is not first


def test_a_guest_that_dies_before_a_command_is_its_cases(
    clean_guests: GuestLease, starter: Starter
) -> None:
    first = used(clean_guests, "a")
    first.agent._loss("gone")

    # Of the same tenant, so that only sysctls are counted.
    assert used(clean_guests, "a", commands=True) is first
    assert first.life.state is State.LOST
    assert used(clean_guests, "a") is not first


def test_an_untouched_guest_is_one_that_not_even_its_tenant_used(
    clean_guests: GuestLease,
) -> None:
    need = Need(kernel=NEW, tenant="a", takes_used=True, is_seen=True)
    with clean_guests.lease(need, untouched=True) as first:
        pass
    with clean_guests.lease(need, untouched=True) as second:
        pass

    assert first is not second
    # What follows of the same tenant stays.
    assert used(clean_guests, "a") is second


def test_each_lease_skips_what_was_logged_before(
    clean_guests: GuestLease, starter: Starter
) -> None:
    agent = FakeAgent()
    starter.agents = [agent]

    used(clean_guests, "a")
    used(clean_guests, "a")

    begun = [it["begin"] for it in agent.requests if it["op"] == "aftermath"]
    assert begun == [1, 1]


def test_with_fresh_nobody_gets_a_used_guest(
    starter: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Origin, "snapshot_key", "key")
    agent = FakeAgent()
    starter.agents = [agent]
    for factory in shared(tmp_path, cold=False, fresh=True):
        guests = GuestLease(factory)
        first = used(guests, "a")
        assert used(guests, "a") is first
        assert used(guests, "b") is not first
        guests.close()
    assert "census" not in agent.operations


def test_the_next_tenants_guest_is_started_meanwhile(
    clean_guests: GuestLease, starter: Starter
) -> None:
    leased(clean_guests, NEW, "a", Need(kernel=NEW, tenant="b"))
    leased(clean_guests, NEW, "b")

    assert starter.started == ["6.1", "6.1"]
    assert starter.ended == ["6.1"]


def test_no_guest_is_started_for_who_has_one(
    clean_guests: GuestLease, starter: Starter
) -> None:
    leased(clean_guests, NEW, "a", Need(kernel=NEW, tenant="a"))
    clean_guests.close()

    assert starter.started == ["6.1"]


def test_no_guest_is_prepared_that_would_have_to_boot(
    guests: GuestLease, starter: Starter
) -> None:
    guests.prepare(NEW)
    guests.close()

    assert starter.started == []


def test_a_guest_that_was_prepared_for_another_kernel_is_ended(
    clean_guests: GuestLease, starter: Starter
) -> None:
    clean_guests.prepare(OLD)
    leased(clean_guests, NEW, "a")
    clean_guests.close()

    assert sorted(starter.started) == ["5.10", "6.1"]
    assert sorted(starter.ended) == ["5.10", "6.1"]


def test_a_kernel_that_can_not_be_prepared_is_told_of_at_its_lease(
    clean_guests: GuestLease, starter: Starter
) -> None:
    starter.failures["6.1"] = GuestError("no answer")
    clean_guests.prepare(NEW)

    with pytest.raises(GuestError, match="no answer"):
        leased(clean_guests, NEW, "a")


def test_each_guests_console_ends_up_in_its_kernels(
    clean_guests: GuestLease, tmp_path: Path
) -> None:
    leased(clean_guests, NEW, "a")
    leased(clean_guests, NEW, "b")
    clean_guests.close()

    folder = reports.folder_of("6.1", tmp_path / "reports")
    assert (folder / reports.CONSOLE).read_text() == "6.1 speaks\n" * 2
    assert [path.name for path in folder.glob("console*")] == [reports.CONSOLE]


def test_lenders_share_what_kept_a_kernel_from_coming_up(
    factory: GuestFactory, starter: Starter
) -> None:
    starter.failures["6.1"] = GuestError("no answer")

    for guests in (GuestLease(factory), GuestLease(factory)):
        with pytest.raises(GuestError, match="no answer"):
            leased(guests, NEW, "a")
        guests.close()

    assert starter.started == ["6.1"]


def test_two_lenders_guests_are_two(
    clean_factory: GuestFactory, clean_guests: GuestLease
) -> None:
    other = GuestLease(clean_factory)

    assert leased(other, NEW, "a") is not leased(clean_guests, NEW, "a")
    other.close()


# ------------------------------------------------------------- several threads


@pytest.fixture
def saving_factory(
    starter: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GuestFactory]:
    """What lenders of guests share whose snapshot is still to be saved."""
    monkeypatch.setattr(Origin, "snapshot_key", "key")
    monkeypatch.setattr(SavedGuests, "has", lambda *_: False)
    yield from shared(tmp_path, cold=False)


def test_who_waits_for_a_snapshot_learns_why_there_is_none(
    saving_factory: GuestFactory, starter: Starter
) -> None:
    failure = GuestError("no answer")
    starter.failures["6.1"] = failure
    both = threading.Barrier(2)

    def start(_: int) -> BaseException | None:
        both.wait(PATIENCE)
        try:
            saving_factory.start(NEW)
        except GuestError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(start, range(2)))

    assert caught == [failure, failure]
    assert starter.started == ["6.1"]


def test_two_threads_start_guests_of_a_kernel_at_once(
    clean_factory: GuestFactory, starter: Starter, tmp_path: Path
) -> None:
    both = threading.Barrier(2)

    def start(_: int) -> None:
        running = clean_factory.start(NEW)
        # No console is written by two guests.
        both.wait(PATIENCE)
        running.end()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(start, range(2)))

    assert starter.started == ["6.1", "6.1"]
    folder = reports.folder_of("6.1", tmp_path / "reports")
    assert (folder / reports.CONSOLE).read_text() == "6.1 speaks\n" * 2
    assert [path.name for path in folder.glob("console*")] == [reports.CONSOLE]


def test_the_first_reason_to_give_a_kernel_up_is_kept(
    factory: GuestFactory, starter: Starter
) -> None:
    both = threading.Barrier(2)
    errors = iter((GuestError("the first"), GuestError("the second")))

    def start(_: int) -> None:
        both.wait(PATIENCE)
        with pytest.raises(GuestError):
            factory.start(NEW)

    starter.failures["6.1"] = next(errors)
    with pytest.raises(GuestError, match="the first"):
        factory.start(NEW)
    starter.failures["6.1"] = next(errors)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(start, range(2)))

    assert factory.run_of(NEW).error == "the first"
    assert starter.started == ["6.1"]


def test_a_host_without_qemu_is_no_fault_of_a_kernel(tmp_path: Path) -> None:
    def inspect() -> Host:
        raise InfrastructureError("QEMU is not on the PATH")

    factory = GuestFactory(inspect, {"6.1": artifact()}, tmp_path)
    guests = GuestLease(factory)
    guests.prepare(NEW)

    with pytest.raises(InfrastructureError, match="QEMU"):
        leased(guests, NEW, "a")

    assert factory.run_of(NEW).error == ""
    guests.close()
    factory.close()


def test_a_kernel_that_is_first_asked_for_after_the_stop_does_not_start(
    factory: GuestFactory, starter: Starter
) -> None:
    factory.stop()
    factory.start(NEW).end()

    killed = Mock()
    (starts,) = starter.starts
    with starts.watched(cast(Vm, Mock(process=killed))):
        killed.kill.assert_called_once()
