"""Guests that are lent: one at a time, each kernel's failure told once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner import reports
from runner.artifacts import Artifact
from runner.artifacts.cache import Cache
from runner.errors import ArtifactError, GuestError, RunnerError
from runner.image.initramfs import Tools
from runner.matrix import DebianSource, Kernel
from runner.session import guest as session_guest
from runner.session.guest import Guest
from runner.session.host import Host
from runner.session.pool import Guests
from tests.unit.session.doubles import FakeVm, artifact, guest

OLD, NEW = (
    Kernel(id=id_, source=DebianSource(type="debian", suite="bookworm"))
    for id_ in ("5.10", "6.1")
)


class Starter:
    """Starts guests that do nothing, and fails for kernels that it is told to."""

    def __init__(self, **failures: RunnerError) -> None:
        self.failures: dict[str, RunnerError] = dict(failures)
        self.started: list[str] = []
        self.ended: list[str] = []

    @contextmanager
    def __call__(
        self, kernel: Kernel, artifact: Artifact, host: Host, console: Path
    ) -> Iterator[Guest]:
        self.started.append(kernel.id)
        console.parent.mkdir(parents=True, exist_ok=True)
        if kernel.id in self.failures:
            raise self.failures[kernel.id]
        yield guest(kernel=kernel, vm=FakeVm())
        self.ended.append(kernel.id)


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    made = Starter()
    monkeypatch.setattr(session_guest, "start", made)
    return made


@pytest.fixture
def guests(starter: Starter, tmp_path: Path) -> Iterator[Guests]:
    host = Host(
        qemu=Path("/usr/bin/qemu"),
        qemu_version="7.2",
        tools=Tools(agent=Path("/agent"), recipe=Path("/images")),
        cache=Cache(tmp_path / "cache"),
    )
    artifacts: dict[str, Artifact | RunnerError] = {
        "5.10": artifact(),
        "6.1": artifact(),
        "sid": ArtifactError("no mirror"),
    }
    for id_ in artifacts:
        reports.folder_of(id_, tmp_path / "reports").mkdir(parents=True, exist_ok=True)
    made = Guests(host, artifacts, tmp_path / "reports")
    yield made
    made.close()


def test_a_guest_is_lent_as_long_as_it_is_usable(
    guests: Guests, starter: Starter
) -> None:
    assert guests.lease(NEW) is guests.lease(NEW)
    assert starter.started == ["6.1"]


def test_a_lost_guest_is_replaced(guests: Guests, starter: Starter) -> None:
    first = guests.lease(NEW)
    first.lost = True

    second = guests.lease(NEW)

    assert second is not first
    assert second.usable
    assert starter.started == ["6.1", "6.1"]
    assert starter.ended == ["6.1"]
    assert guests.run_of(NEW).boots == (1.5, 1.5)


def test_a_guest_whose_qemu_is_gone_is_replaced(
    guests: Guests, starter: Starter
) -> None:
    first = guests.lease(NEW)
    first.vm.running = False  # type: ignore[misc]

    assert guests.lease(NEW) is not first
    assert starter.ended == ["6.1"]


def test_another_kernel_ends_the_guest_before(guests: Guests, starter: Starter) -> None:
    guests.lease(OLD)
    guests.lease(NEW)

    assert starter.started == ["5.10", "6.1"]
    assert starter.ended == ["5.10"]


def test_a_kernel_that_does_not_come_up_is_tried_once(
    guests: Guests, starter: Starter
) -> None:
    failure = GuestError("no answer", cause="no_answer", console="the last words")
    starter.failures["5.10"] = failure

    for _ in range(3):
        with pytest.raises(GuestError) as caught:
            guests.lease(OLD)
        assert caught.value is failure
    assert starter.started == ["5.10"]
    # It does not keep the others.
    assert guests.lease(NEW).usable
    told = guests.run_of(OLD)
    assert (told.error, told.console) == ("no answer", "the last words")


def test_a_kernel_without_files_is_never_started(
    guests: Guests, starter: Starter
) -> None:
    kernel = OLD.model_copy(update={"id": "sid"})

    with pytest.raises(ArtifactError, match="no mirror"):
        guests.lease(kernel)

    assert starter.started == []
    assert guests.run_of(kernel).error == "no mirror"


def test_what_was_seen_of_a_kernel_is_told(guests: Guests) -> None:
    guests.lease(NEW)
    told = guests.run_of(NEW)

    assert told.release == "6.1.0-50-cloud-amd64"
    assert told.image == "bookworm linux-image"
    assert (told.accelerator, told.qemu) == ("tcg", "7.2")
    assert (told.libbpf, told.bpftool) == ("1.1", "7.1.0")
    assert guests.run_of(OLD).release == ""


def test_closing_ends_the_guest_and_may_be_done_twice(
    guests: Guests, starter: Starter
) -> None:
    guests.lease(NEW)

    guests.close()
    guests.close()

    assert starter.ended == ["6.1"]
