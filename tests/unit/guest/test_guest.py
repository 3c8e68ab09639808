"""How a guest comes up, and what it is told when it comes back."""

import base64
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from pydantic import JsonValue

from runner.errors import GuestError
from runner.facts.model import Facts
from runner.files.cache import Cache
from runner.guest import environment, firstwords, guest, keys, probes, ssh
from runner.guest.agent import AgentSession
from runner.guest.conversation import Conversation, Draws
from runner.guest.environment import EnvironmentUnavailableError
from runner.guest.guest import Origin
from runner.guest.host import Host
from runner.guest.kits import GuestKits
from runner.guest.life import Life, Starts, State, Step
from runner.guest.qemu import snapshot
from runner.guest.qemu.snapshot import SnapshotError
from runner.guest.snapshots import Snapshot, Snapshots
from runner.timeouts import Pace
from tests.unit.guest.doubles import (
    COMMAND,
    HELLO,
    KERNEL,
    MACHINE,
    PROGRAMS,
    FakeAgent,
    FakeKits,
    FakeVm,
    artifact,
)


def test_each_guest_gets_the_time_and_randomness_of_its_own() -> None:
    agent = FakeAgent()
    before = time.time_ns()
    for _ in range(2):
        guest.wake(AgentSession(agent))

    first, second = agent.requests
    assert first["op"] == "wake"
    assert before <= int(str(first["time_ns"])) <= time.time_ns()
    assert first["entropy"] != second["entropy"]
    assert len(base64.b64decode(str(first["entropy"]))) >= 32


# ------------------------------------------------------------------ the starts


SAID = Conversation(draws=Draws(half=b"half", opening=b"opening"), heard=(), said=0)


class KnownSnapshots(Snapshots):
    """Has the snapshot that it is given, or fails as it is told."""

    def __init__(self, cache: Cache) -> None:
        super().__init__(cache)
        self.cache = cache
        self.found: Snapshot | None = None
        self.unreadable: SnapshotError | None = None

    def find(self, key: str, *, memory: int) -> Snapshot | None:
        if self.unreadable is not None:
            raise self.unreadable
        return self.found

    def save(
        self, key: str, write: object, *, metadata: Mapping[str, JsonValue], **_: object
    ) -> Snapshot:
        assert callable(write)
        write(Path("/none/state"))
        self.found = a_snapshot(**metadata)
        return self.found


def a_snapshot(**metadata: JsonValue) -> Snapshot:
    state: Future[int] = Future()
    state.set_result(-1)
    return Snapshot(
        memory=-1,
        state=state,
        keys=keys.generate(),
        conversation=SAID,
        metadata={"bpftool": "7.1.0", **metadata},
    )


@dataclass
class Machines:
    """Stands in for QEMU and SSH, and keeps what happened, in order."""

    events: list[str] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)
    # What agents answer in place of what doubles do.
    answers: dict[str, dict[str, JsonValue] | Exception] = field(default_factory=dict)
    agents: list[FakeAgent] = field(default_factory=list)
    # What a guest that boots prints until it answers, and what one prints that wakes.
    printed: str = ""
    printed_waking: str = ""

    def happens(self, event: str) -> None:
        self.events.append(event)
        if event in self.failures:
            raise self.failures[event]

    @contextmanager
    def boot(self, *_: object) -> Iterator[FakeVm]:
        with self._machine("boot") as vm:
            vm.said = self.printed
            yield vm

    @contextmanager
    def wait_for_state(self, *_: object) -> Iterator[FakeVm]:
        with self._machine("wait for state") as vm:
            vm.said = self.printed_waking
            yield vm

    @contextmanager
    def _machine(self, event: str) -> Iterator[FakeVm]:
        self.happens(event)
        vm = FakeVm()
        vm.process = Mock()  # type: ignore[attr-defined]
        try:
            yield vm
        finally:
            self.events.append(f"end of {event}")

    @contextmanager
    def connect(self, *_: object) -> Iterator[object]:
        version = {**COMMAND, "stdout": '{"version": "7.1.0"}'}
        answers = {
            "hello": HELLO.model_dump(),
            "run": version,
            "settle": {"cleared": 0},
        }
        agent = FakeAgent({**answers, **self.answers})
        self.agents.append(agent)
        yield SimpleNamespace(start=lambda _: agent, close=lambda: None, pace=Pace(1.0))

    @contextmanager
    def be_called(self, *_: object) -> Iterator[object]:
        with self.connect() as connection:
            yield SimpleNamespace(ssh=connection, conversation=lambda: SAID)

    @property
    def asked(self) -> int:
        """How often a kernel was asked what it has."""
        return sum(it.operations.count("bpf") for it in self.agents)

    def save(self, *_: object, **__: object) -> None:
        self.happens("save")

    def restore(self, *_: object, **__: object) -> None:
        self.happens("restore")


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    made = Machines()
    monkeypatch.setattr(Origin, "snapshot_key", "key")
    monkeypatch.setattr(Origin, "initramfs", SimpleNamespace(read=bytes))
    monkeypatch.setattr(Origin, "machine", lambda *_: MACHINE)
    monkeypatch.setattr(guest, "boot", made.boot)
    monkeypatch.setattr(guest, "wait_for_state", made.wait_for_state)
    monkeypatch.setattr(guest, "wait_for_hangup", lambda *_: None)
    monkeypatch.setattr(guest, "wait_until_idle", lambda *_: None)
    monkeypatch.setattr(ssh, "wait_for_server", lambda *_: None)
    monkeypatch.setattr(ssh, "connect", made.connect)
    monkeypatch.setattr(ssh, "be_called", made.be_called)
    monkeypatch.setattr(ssh, "go_on", made.connect)
    monkeypatch.setattr(snapshot, "save", made.save)
    monkeypatch.setattr(snapshot, "restore", made.restore)
    return made


@pytest.fixture
def snapshots(tmp_path: Path) -> Iterator[KnownSnapshots]:
    made = KnownSnapshots(Cache(tmp_path / "cache"))
    yield made
    made.found = None
    made.close()


@dataclass(frozen=True, kw_only=True)
class Started:
    """How a guest came up."""

    starts: Starts
    # What was shown meanwhile.
    steps: list[str]
    facts: Facts | None


def started(
    snapshots: KnownSnapshots, *, cold: bool = False, starts: Starts | None = None
) -> Started:
    """Start a guest, end it, and return how it came up."""
    host = Host(
        kits=cast(GuestKits, FakeKits()),
        programs=PROGRAMS,
        cache=snapshots.cache,
        snapshots=snapshots,
        cold=cold,
    )
    steps: list[Step] = []
    starts = starts or Starts(kernel=KERNEL.id, observe=steps.append)
    life = Life(starts)
    origin = Origin(kernel=KERNEL, artifact=artifact(), host=host)
    with guest.start(origin, Path("/console.log"), life) as up:
        assert life.state is State.READY
        assert up.usable
        assert (up.hello, up.bpftool_version) == (HELLO, "7.1.0")
        assert up.cache is host.cache
        facts = up.facts
        # As a lease does it.
        firstwords.note(up.first_words, (KERNEL.splats,), starts)
    return Started(
        starts=starts,
        steps=[it.text.partition(" after")[0] for it in steps],
        facts=facts,
    )


FROM_SNAPSHOT = ["starting from the snapshot", "up"]
RESTORED = ["wait for state", "restore", "end of wait for state"]


def test_a_guest_comes_from_the_snapshot_that_is_there(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    snapshots.found = a_snapshot()

    done = started(snapshots)
    starts = done.starts

    assert machines.events == RESTORED
    assert done.steps == FROM_SNAPSHOT
    assert (len(starts.boots), len(starts.restores), starts.notes) == (0, 1, [])


def test_the_first_guest_is_saved_and_the_one_that_is_lent_comes_from_it(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    done = started(snapshots)
    starts = done.starts

    assert done.steps == ["booting", "up", "saving", "saved", *FROM_SNAPSHOT]
    # The one that was saved is at its end before another takes its memory.
    assert machines.events == ["boot", "save", "end of boot", *RESTORED]
    assert (len(starts.boots), len(starts.restores), starts.notes) == (1, 1, [])


def test_without_snapshots_a_guest_boots(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    done = started(snapshots, cold=True)
    starts = done.starts

    assert done.steps == ["booting", "up"]
    assert machines.events == ["boot", "end of boot"]
    assert (len(starts.boots), len(starts.restores), starts.notes) == (1, 0, [])


@pytest.mark.parametrize(
    ("failing", "found", "before"),
    [
        ("find", False, []),
        ("save", False, ["boot", "save", "end of boot"]),
        ("restore", True, RESTORED),
    ],
)
def test_a_guest_boots_where_snapshots_fail_and_a_note_says_why(
    failing: str,
    found: bool,
    before: list[str],
    machines: Machines,
    snapshots: KnownSnapshots,
) -> None:
    failure = SnapshotError("the disk is full")
    machines.failures[failing] = failure
    snapshots.unreadable = failure if failing == "find" else None
    snapshots.found = a_snapshot() if found else None

    starts = started(snapshots).starts
    # Nobody tries it again in this run.
    again = started(snapshots).starts

    boot = ["boot", "end of boot"]
    assert machines.events == [*before, *boot, *boot]
    assert starts.notes == [
        "no guest could start from a snapshot, so each boots: the disk is full"
    ]
    assert again.notes == []


def test_a_kernel_that_does_not_boot_is_told_and_not_tried_in_another_way(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    machines.failures["boot"] = GuestError("no answer")

    with pytest.raises(GuestError, match="no answer"):
        started(snapshots)

    assert machines.events == ["boot"]


# ------------------------------------------------ what it reports before any case


WARNING = "[    1.0] WARNING: CPU: 0 PID: 1 at lib/mine.c:1 mine+0x1/0x2\n"
BOOTED = "the kernel reported while it booted: WARNING: CPU: 0 PID: 1 at lib/mine.c:1"
SET_UP = "the kernel reported while its guest was set up: WARNING: CPU: 0 PID: 1 at"


def test_what_a_kernel_reports_as_it_boots_is_noted_once(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    machines.printed = WARNING

    first = started(snapshots)
    # This one comes from the saved state only.
    later = started(snapshots)

    for it in (first, later):
        (note,) = it.starts.notes
        assert note.startswith(BOOTED)
    assert later.steps == FROM_SNAPSHOT


@pytest.mark.parametrize("cold", [True, False])
def test_what_a_kernel_reports_as_its_guest_is_set_up_is_noted(
    cold: bool,
    machines: Machines,
    snapshots: KnownSnapshots,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vms: list[FakeVm] = []
    session = guest._session

    def kept(connection: Any, vm: Any) -> Any:
        vms.append(vm)
        return session(connection, vm)

    def set_up(*_: object) -> None:
        vms[-1].said = WARNING

    monkeypatch.setattr(guest, "_session", kept)
    monkeypatch.setattr(environment, "set_up", set_up)

    first, later = started(snapshots, cold=cold), started(snapshots, cold=cold)

    for it in (first, later):
        (note,) = it.starts.notes
        assert note.startswith(SET_UP)


def test_what_a_kernel_reports_as_its_guest_is_saved_and_woken_is_noted(
    machines: Machines, snapshots: KnownSnapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    def idle(vm: Any, *_: object) -> None:
        vm.said = WARNING

    monkeypatch.setattr(guest, "wait_until_idle", idle)
    (saving,) = started(snapshots).starts.notes
    snapshots.found = a_snapshot()
    machines.printed_waking = WARNING
    (waking,) = started(snapshots).starts.notes

    assert saving.startswith(SET_UP)
    assert waking.startswith(SET_UP)


def test_a_report_is_noted_also_where_the_guest_can_not_be_set_up(
    machines: Machines, snapshots: KnownSnapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise EnvironmentUnavailableError("it can't be")

    machines.printed = WARNING
    monkeypatch.setattr(environment, "set_up", fails)
    starts = Starts(kernel=KERNEL.id)
    with pytest.raises(EnvironmentUnavailableError):
        started(snapshots, starts=starts)

    assert starts.notes[0].startswith(BOOTED)


# ------------------------------------------------------------ what its kernel has


def test_a_kernel_is_asked_once_what_it_has_before_it_is_saved(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    first, second = started(snapshots), started(snapshots)

    # Of the guest that booted, of what was saved of it, and of those that came from it.
    assert len(machines.agents) == 4
    assert machines.asked == 1
    assert machines.agents[0].operations.index("bpf") < (
        machines.agents[0].operations.index("settle")
    )
    assert first.facts is not None
    assert first.facts == second.facts
    assert first.facts.abilities["bounded_loops"]


def test_a_kernel_that_was_saved_before_it_was_asked_is_asked_later(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    snapshots.found = a_snapshot()

    assert started(snapshots).facts is not None
    assert machines.asked == 1


def test_a_kernel_that_accepts_no_program_says_nothing(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    refused: JsonValue = {"done": False, "errno": "EINVAL", "log": ""}
    answers: list[JsonValue] = [refused] * len(all_calls())
    machines.answers["bpf"] = {"answers": answers, "duration_us": 1}

    assert started(snapshots, cold=True).facts == Facts(release=HELLO.release)


def test_a_guest_that_can_not_be_asked_is_of_use(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    machines.answers["bpf"] = {
        "ok": False,
        "error": {"message": "there is no operation", "errno": None},
        "log": "",
    }

    assert started(snapshots, cold=True).facts is None


def test_a_kernel_that_dies_of_being_asked_is_not_asked_again(
    machines: Machines, snapshots: KnownSnapshots
) -> None:
    machines.answers["bpf"] = EOFError("gone")
    with pytest.raises(GuestError):
        started(snapshots, cold=True)

    assert started(snapshots, cold=True).facts == Facts(release=HELLO.release)
    assert machines.asked == 1


def all_calls() -> list[JsonValue]:
    """Return all that a kernel is asked."""
    agent = FakeAgent()
    probes.find_out(AgentSession(agent), HELLO.release, artifact().version)
    (calls,) = [it["calls"] for it in agent.requests if it["op"] == "bpf"]
    assert isinstance(calls, list)
    return calls
