"""Guests that come of a snapshot: as good as booted ones, clean, nobody else's."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.deadline import Deadline
from runner.errors import GuestError
from runner.files.cache import APPLICATION, Cache
from runner.guest import guest, host, keys, ssh
from runner.guest.guest import Guest, Origin
from runner.guest.keys import of_saved_guest
from runner.guest.life import Life, Starts
from runner.guest.qemu.machine import LINE
from runner.guest.qemu.vm import wait_for_state
from runner.kernels import fetch
from runner.matrix import matrix
from runner.results import CaseResult, KernelRun
from runner.text.progress import Lines
from tests.vm.conftest import DATA, ROOT, Finished, command, guests, run

pytestmark = pytest.mark.vm

KERNEL = "6.12"
SUITE = ROOT / "suites/maps"


@pytest.fixture(scope="module")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with everything of the user's but the snapshots."""
    return without_snapshots(tmp_path_factory.mktemp("cache"))


def without_snapshots(home: Path) -> Path:
    """Fill a folder with all of the user's cache but the snapshots, and return it."""
    own, users = home / APPLICATION, Cache().root
    own.mkdir(mode=0o700, parents=True)
    for path in users.iterdir():
        if path.name not in {"snapshots", "temporary", "locks"}:
            (own / path.name).symlink_to(path)
    return home


def state(cache_home: Path) -> Path:
    """Return the only snapshot's state."""
    (found,) = (cache_home / APPLICATION / "snapshots").glob("*/state.zst")
    return found


def start(cache_home: Path, reports: Path, *words: str | Path) -> Finished:
    arguments = words or ("--suite", SUITE)
    return run(
        *("--kernels", KERNEL, *arguments),
        reports=reports,
        XDG_CACHE_HOME=str(cache_home),
    )


def kernel_of(finished: Finished) -> KernelRun:
    (kernel,) = finished.results.kernels
    return kernel


def essence(case: CaseResult) -> tuple[object, ...]:
    return (case.suite, case.case, case.outcome, case.failure_class, case.checked)


@pytest.fixture(scope="module")
def saved(cache_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The run that saved the snapshot."""
    return start(cache_home, tmp_path_factory.mktemp("saved"))


def test_the_first_run_saves_and_already_restores(saved: Finished) -> None:
    assert saved.status == 0, saved.output + saved.errors
    assert len(kernel_of(saved).boots) == 1
    assert kernel_of(saved).restores
    assert kernel_of(saved).notes == ()


def test_a_snapshot_takes_at_most_40_megabytes(
    saved: Finished, cache_home: Path
) -> None:
    assert state(cache_home).stat().st_size < 40e6


def test_no_key_is_in_a_report_or_log(saved: Finished, cache_home: Path) -> None:
    folder = state(cache_home).parent
    kept = (folder / "keys.json").read_text()
    client = json.loads(kept)["client"].splitlines()
    secrets = {line.encode() for line in client if len(line) > 20}
    secrets.add(of_saved_guest(kept).client.get_base64().encode())
    said = json.loads((folder / "conversation.json").read_text())
    secrets.add(said["half"].encode())

    for path in saved.reports.rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            assert not [secret for secret in secrets if secret in text], path


@pytest.mark.parametrize("suite", [SUITE, DATA / "suites/canary"])
def test_results_are_the_same_cold_and_restored(
    saved: Finished, cache_home: Path, tmp_path: Path, suite: Path
) -> None:
    restored = start(cache_home, tmp_path / "restored", "--suite", suite)
    cold = start(cache_home, tmp_path / "cold", "--suite", suite, "--cold")

    assert not kernel_of(restored).boots
    assert len(kernel_of(cold).boots) == 1
    assert not kernel_of(cold).restores
    assert restored.status == cold.status
    assert list(map(essence, restored.results.cases)) == list(
        map(essence, cold.results.cases)
    )


def test_a_damaged_snapshot_is_told_of_once_and_dropped(
    saved: Finished, cache_home: Path, reports: Path
) -> None:
    path = state(cache_home)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)

    done = start(cache_home, reports)

    assert done.status == 0, done.output + done.errors
    assert len(kernel_of(done).notes) == 1
    assert done.output.count("no guest could start from a snapshot") == 1
    assert kernel_of(done).boots
    assert not kernel_of(done).restores
    assert not path.exists()
    # The next run has one again.
    again = start(cache_home, reports)
    assert kernel_of(again).notes == ()
    assert kernel_of(again).restores


def test_a_state_that_qemu_refuses_is_dropped(
    saved: Finished, cache_home: Path, reports: Path
) -> None:
    path = state(cache_home)
    path.write_bytes(
        subprocess.run(
            ["zstd", "-q", "-c"], input=b"no state", capture_output=True, check=True
        ).stdout
    )

    done = start(cache_home, reports)

    assert done.status == 0, done.output + done.errors
    assert len(kernel_of(done).notes) == 1
    assert not path.exists()


def test_kill_9_during_a_save_leaves_nothing_half(
    cache_home: Path, reports: Path, tmp_path: Path
) -> None:
    own = cache_home / APPLICATION
    for path in (own / "snapshots").glob("*/*"):
        path.unlink()
    process = subprocess.Popen(
        command("--kernels", KERNEL, "--suite", SUITE, "--reports", tmp_path / "r"),
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(cache_home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = Deadline.after(120)
    while not list((own / "temporary").glob("*/state.zst")):
        assert process.poll() is None
        assert not deadline.expired
        time.sleep(0.001)
    process.kill()
    process.wait()

    assert not list((own / "snapshots").glob("*/state.zst"))
    assert not guests(tmp_path / "r")
    done = start(cache_home, reports)
    assert done.status == 0, done.output + done.errors
    assert kernel_of(done).notes == ()
    assert kernel_of(done).restores
    assert not list((own / "temporary").iterdir())


# -------------------------------------------------------- what a guest is like


@pytest.fixture(scope="module")
def origin(cache_home: Path) -> Iterator[Origin]:
    cache = Cache(cache_home / APPLICATION)
    kernels = matrix.load(ROOT / "matrix.yaml").kernels
    kernel = next(it for it in kernels if it.id == KERNEL)
    made = Origin(
        kernel=kernel,
        artifact=fetch.obtain(kernel, cache, Lines()),
        host=host.inspect(cache, accelerator="tcg", boot_timeout=60),
    )
    yield made
    made.host.snapshots.close()


def a_life() -> Life:
    return Life(Starts(kernel=KERNEL))


def printed(up: Guest, *argv: str) -> str:
    return up.run(list(argv)).strip()


def test_guests_of_a_snapshot_are_apart(origin: Origin, tmp_path: Path) -> None:
    starts = Starts(kernel=KERNEL)
    with (
        guest.start(origin, tmp_path / "a", Life(starts)) as first,
        guest.start(origin, tmp_path / "b", Life(starts)) as second,
    ):
        assert starts.notes == []
        # How slow this machine is, guests of a snapshot know from who booted it.
        saved = origin.host.snapshots.find(
            origin.snapshot_key, memory=origin.kernel.memory
        )
        assert saved is not None
        assert float(str(saved.metadata["boot_seconds"])) > 0
        assert first.vm.port != second.vm.port
        assert printed(first, "touch", "/tmp/mine") == ""
        assert printed(first, "ls", "/tmp") == "mine"
        assert printed(second, "ls", "/tmp") == ""
        # What a kernel draws at random is no longer what the snapshot would draw.
        name = "/proc/sys/kernel/random/uuid"
        assert printed(first, "cat", name) != printed(second, "cat", name)


def test_nobody_logs_in_to_a_restored_guest(origin: Origin, tmp_path: Path) -> None:
    with guest.start(origin, tmp_path / "console", a_life()) as up:
        lines = printed(up, "netstat", "-tn").splitlines()
        (connection,) = [line.split() for line in lines if "ESTABLISHED" in line]
        assert connection[4] == ":".join(map(str, LINE))
        # Who was logged in when it was saved can start more.
        assert up.ssh.answers("/usr/bin/agent --version", Deadline.after(60))


def test_a_conversation_with_another_host_is_refused(
    origin: Origin, tmp_path: Path
) -> None:
    with guest.start(origin, tmp_path / "console", a_life()):
        saved = origin.host.snapshots.find(
            origin.snapshot_key, memory=origin.kernel.memory
        )
    assert saved is not None
    pinned = replace(saved.keys, host=keys.generate().host)

    with (
        wait_for_state(origin.machine(tmp_path / "other"), saved.memory) as vm,
        pytest.raises(GuestError, match="another host key"),
        ssh.go_on(vm, pinned, saved.conversation, Deadline.after(60)),
    ):
        pytest.fail("somebody is logged in")


def test_a_restored_guest_has_the_hosts_time(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A time that no snapshot was saved at.
    monkeypatch.setattr(time, "time_ns", lambda: 2_000_000_000_123_456_789)

    with guest.start(origin, tmp_path / "console", a_life()) as up:
        printed(up, "touch", "/tmp/now")
        assert 0 <= int(printed(up, "stat", "-c", "%Y", "/tmp/now")) - 2e9 < 60


def test_a_restored_guest_is_in_qemus_sandbox(origin: Origin, tmp_path: Path) -> None:
    with guest.start(origin, tmp_path / "console", a_life()) as up:
        status = Path(f"/proc/{up.vm.process.pid}/status").read_text()
        assert "-sandbox on" in up.vm.command_line
        assert "Seccomp:\t2" in status


def kib(status: str, name: str) -> int:
    line = next(line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1])


def test_a_restored_guest_takes_little_memory(origin: Origin, tmp_path: Path) -> None:
    with guest.start(origin, tmp_path / "console", a_life()) as up:
        status = Path(f"/proc/{up.vm.process.pid}/status").read_text()
        assert kib(status, "VmHWM") < 350 << 10
        # What it only reads it shares with the others.
        assert kib(status, "RssAnon") < 100 << 10


def test_another_machine_has_another_snapshot(origin: Origin) -> None:
    larger = origin.kernel.model_copy(update={"memory": 512})

    assert replace(origin, kernel=larger).snapshot_key != origin.snapshot_key


def test_guests_with_much_memory_come_of_a_snapshot(
    tmp_path: Path, reports: Path
) -> None:
    rows = tmp_path / "matrix.yaml"
    source = "{type: debian, suite: trixie}"
    rows.write_text(
        f'kernels:\n  - {{id: "{KERNEL}", source: {source}, memory: 1536}}\n'
    )

    done = start(
        without_snapshots(tmp_path / "home"),
        reports,
        # Its matrix has no kernel of another byte order.
        *("--matrix", rows, "--suite", SUITE, "-k", "array and not big"),
    )

    assert done.status == 0, done.output
    # What clears a guest's free memory must leave the kernel its own.
    assert not kernel_of(done).notes
    assert kernel_of(done).restores
