"""A used guest serves the next object only if nothing is left in it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.bpf.build import PLAIN
from runner.bpf.compile import compile_object
from runner.files.cache import Cache
from runner.guest import census, guest, host
from runner.guest.census import Start
from runner.guest.guest import Guest, Origin
from runner.guest.life import Life, Starts
from runner.guest.objectsettings import ObjectSettings
from runner.guest.replies import LoadedObject
from runner.kernels import fetch
from runner.matrix import matrix
from runner.matrix.environment import GuestEnvironment
from runner.results import CaseResult
from runner.text.progress import Lines
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm

KERNEL = "6.12"
# Seconds.
PATIENCE = 60


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    cache = Cache()
    kernels = matrix.load(ROOT / "matrix.yaml").kernels
    row = next(it for it in kernels if it.id == KERNEL)
    kernel = row.within(GuestEnvironment(modules=("sch_ingress", "cls_bpf")))
    origin = Origin(
        kernel=kernel,
        artifact=fetch.obtain(kernel, cache, Lines()),
        host=host.inspect(cache, accelerator="tcg", boot_timeout=60),
    )
    console = tmp_path_factory.mktemp("guest") / "console"
    with guest.start(origin, console, Life(Starts(kernel=KERNEL))) as found:
        yield found
    origin.host.snapshots.close()


@pytest.fixture(scope="module")
def start(up: Guest) -> Start:
    plain = census.at_start(up)
    assert plain is not None
    found = census.with_sysctls(up, plain)
    assert found is not None
    return found


def changed(up: Guest, start: Start) -> dict[str, str]:
    found = census.changes(up, start)
    return {it.part: it.what for it in found}


# ------------------------------------------------------- what may be left behind


@contextmanager
def _done(up: Guest, do: str, undo: str) -> Iterator[None]:
    for words in (do, undo):
        said = up.agent.run(["sh", "-c", words], timeout=PATIENCE)
        assert said.exit == 0, said.stderr
        if words is do:
            yield


@contextmanager
def _loaded(up: Guest) -> Iterator[LoadedObject]:
    path = compile_object(
        ROOT / "suites/attach/packets.bpf.c",
        Cache(),
        build=PLAIN.on(up.kernel.architecture),
    )
    wanted = {"on_ingress": True, "on_egress": True, "on_arrival": False}
    opened = up.agent.open(
        path.read_bytes(),
        name="packets",
        settings=ObjectSettings(load=wanted),
        timeout=PATIENCE,
    )
    yield up.agent.load(opened.handle, timeout=PATIENCE)
    up.agent.close_object(opened.handle, timeout=PATIENCE)


@contextmanager
def _attached(up: Guest, program: str, place: str) -> Iterator[None]:
    with _loaded(up) as loaded:
        up.agent.attach(loaded.handle, program, place, timeout=PATIENCE)
        yield


@contextmanager
def _process(up: Guest) -> Iterator[None]:
    up.agent.fork("left", timeout=PATIENCE)
    yield
    up.agent.release(timeout=PATIENCE)


def _command(do: str, undo: str) -> Callable[[Guest], object]:
    return lambda up: _done(up, do, undo)


_TRACING = "/sys/kernel/tracing"
_PRINTK = "/proc/sys/kernel/printk_ratelimit"
# The part of the census that shows it first, and what leaves it and takes it away.
LEFT = {
    "pins": _command(
        "bpftool map create /sys/fs/bpf/left type array key 4 value 4 entries 1 "
        "name left",
        "rm /sys/fs/bpf/left",
    ),
    # Held by a process: the agent.
    "maps": _loaded,
    "links": lambda up: _attached(up, "on_egress", "tcx/lo/egress"),
    "qdiscs": lambda up: _attached(up, "on_ingress", "tc/lo/ingress"),
    "kprobe events": _command(
        f"echo p:left vfs_read >{_TRACING}/kprobe_events",
        f"echo >{_TRACING}/kprobe_events",
    ),
    "uprobe events": _command(
        f"echo p:left /bin/busybox:0x1000 >{_TRACING}/uprobe_events",
        f"echo >{_TRACING}/uprobe_events",
    ),
    "events": _command(
        f"echo bpf_trace >>{_TRACING}/set_event",
        f"echo '!bpf_trace' >>{_TRACING}/set_event",
    ),
    "trace buffers": _command(
        f"echo left >{_TRACING}/trace_marker", f"echo >{_TRACING}/trace"
    ),
    "cgroups": _command("mkdir /sys/fs/cgroup/left", "rmdir /sys/fs/cgroup/left"),
    "sysctls": _command(f"echo 7 >{_PRINTK}", f"echo 5 >{_PRINTK}"),
    "interfaces": _command("ip link set lo mtu 1500", "ip link set lo mtu 65536"),
    "addresses": _command(
        "ip addr add 10.9.9.9/32 dev lo", "ip addr del 10.9.9.9/32 dev lo"
    ),
    "mounts": _command("mount -t tmpfs left /tmp", "umount /tmp"),
    "files": _command("touch /tmp/left", "rm /tmp/left"),
    "processes": _process,
}


@pytest.mark.parametrize("part", LEFT)
def test_what_is_left_shows_until_it_is_gone(
    up: Guest, start: Start, part: str
) -> None:
    with LEFT[part](up):  # type: ignore[attr-defined]
        assert part in changed(up, start)

    assert changed(up, start) == {}


def test_what_a_kernel_logged_and_unloaded_stays(up: Guest, start: Start) -> None:
    # Not for the console.
    with _done(up, "echo '<7>left' >/dev/kmsg", "rmmod cls_bpf"):
        assert set(changed(up, start)) == {"kernel log"}

    assert {"modules", "BTFs"} <= changed(up, start).keys()


# ------------------------------------------------------------------- whole runs


def essence(case: CaseResult) -> tuple[object, ...]:
    return (case.key, case.outcome, case.failure_class, case.checked, case.mismatches)


def test_used_guests_give_the_verdicts_of_fresh_ones(tmp_path: Path) -> None:
    made = shutil.copytree(ROOT / "suites/maps", tmp_path / "maps")
    text = (made / "suite.yaml").read_text()
    (made / "suite.yaml").write_text(f"reuse: proven\n{text}")
    words = ("--kernels", KERNEL, "--suite", made, "-n", "1")

    used = run(*words, reports=tmp_path / "used")
    fresh = run(*words, "--fresh", reports=tmp_path / "fresh")

    assert (used.status, fresh.status) == (0, 0), used.output + fresh.output
    assert sorted(map(essence, used.results.cases)) == sorted(
        map(essence, fresh.results.cases)
    )
    assert max(it.guest_served for it in used.results.cases) > 1
    assert {it.guest_served for it in fresh.results.cases} == {0}
    (few,), (many,) = used.results.kernels, fresh.results.kernels
    assert len(few.restores) < len(many.restores)
