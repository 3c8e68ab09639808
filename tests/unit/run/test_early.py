"""Kernels boot while others download."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from runner.deadline import Deadline
from runner.errors import ArtifactError, InfrastructureError, RunnerError
from runner.files.cache import Cache
from runner.files.shipped import ROOT
from runner.guest import guest as session_guest
from runner.guest.guest import Origin
from runner.guest.host import Initramfs
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.kernels.rows import KernelChoice
from runner.matrix.matrix import Kernel
from runner.run import early
from runner.run import run as session_run
from runner.run.run import Run
from runner.run.settings import Settings
from runner.text.progress import Progress
from tests.unit.guest.doubles import artifact, machine_of
from tests.unit.kernels.silent import Silent
from tests.unit.run.test_lease import NEW, OLD, PATIENCE, Starter

FAILED = ArtifactError("no mirror")


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    made = Starter()
    monkeypatch.setattr(session_guest, "start", made)
    monkeypatch.setattr(
        Origin, "initramfs", Initramfs(path=Path("/cache/initramfs"), checksum="")
    )
    monkeypatch.setattr(Origin, "snapshot_key", "key")
    monkeypatch.setattr(Origin, "has_snapshot", False)
    return made


def wait_until(holds: Callable[[], bool]) -> None:
    until = Deadline.after(PATIENCE)
    while not holds():
        assert not until.expired
        time.sleep(0.01)


def boots(
    folder: Path, artifacts: dict[str, Artifact | RunnerError], *, cold: bool = False
) -> AbstractContextManager[early.Boot]:
    host = machine_of(Cache(folder / "cache"), cold=cold)
    return early.boots(lambda: host, artifacts, 1)


def test_a_kernel_boots_and_its_guest_ends(tmp_path: Path, starter: Starter) -> None:
    with boots(tmp_path, {"6.1": artifact()}) as boot:
        boot(NEW)
        wait_until(lambda: bool(starter.started))

    assert starter.started == starter.ended == ["6.1"]


def test_what_can_not_boot_is_left_to_who_needs_it(
    tmp_path: Path, starter: Starter
) -> None:
    starter.failures["5.10"] = InfrastructureError("no QEMU")

    with boots(tmp_path, {"6.1": FAILED, "5.10": artifact()}) as boot:
        boot(NEW)
        boot(OLD)
        wait_until(lambda: bool(starter.started))

    assert starter.started == ["5.10"]


def test_nothing_boots_twice_where_no_snapshot_is_kept(
    tmp_path: Path, starter: Starter
) -> None:
    with boots(tmp_path, {"6.1": artifact()}, cold=True) as boot:
        boot(NEW)
        # Long enough to begin.
        time.sleep(0.2)

    assert starter.started == []


def test_after_an_error_boots_are_killed(tmp_path: Path, starter: Starter) -> None:
    def interrupted() -> None:
        with boots(tmp_path, {"6.1": artifact()}) as boot:
            boot(NEW)
            wait_until(lambda: bool(starter.starts))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert not any(it.wanted() for it in starter.starts)


def test_a_run_boots_what_has_come_while_it_waits_for_the_rest(
    tmp_path: Path, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_run, "Cache", lambda: Cache(tmp_path / "cache"))
    choice = KernelChoice(matrix=ROOT / "matrix.yaml", selectors=("6.1", "6.12"))
    run = Run(Settings(kernels=choice, reports=tmp_path / "reports"))
    monkeypatch.setattr(run, "_inspect", lambda: machine_of(run.cache, cold=False))
    monkeypatch.setattr(run, "programs", lambda _: None)

    def obtain(kernel: Kernel, cache: Cache, progress: Progress) -> Artifact:
        if kernel.id == "6.12":
            wait_until(lambda: starter.started == ["6.1"])
        return artifact()

    monkeypatch.setattr(fetch, "obtain", obtain)

    run.obtain(Silent(), boots=1)

    # The last to come has nothing to wait for.
    assert starter.started == starter.ended == ["6.1"]
    # The reports of the run before are still there.
    assert not (tmp_path / "reports").exists()
