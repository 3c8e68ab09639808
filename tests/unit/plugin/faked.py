"""Replaces all that takes a kernel, where pytest runs the plugin.

How a case ends, and what it gives, its name says. What happens is appended to the file
"events" in the folder that pytest is started in.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from runner import libbpf
from runner.case import run as case_run
from runner.case.attempt import CaseJob
from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.guest import guest, host
from runner.guest.guest import Guest, Origin
from runner.guest.host import Host, Initramfs
from runner.guest.life import Life, State
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.matrix.matrix import Kernel
from runner.results import Agreement, CaseResult, Outcome
from runner.suites.checks.normal import NormalRows, found
from runner.suites.comparable import AgreeExpectation
from tests.unit.guest import doubles

PATIENCE = 20


class Process:
    """A machine's process, which can be killed."""

    def __init__(self) -> None:
        self.killed = threading.Event()

    def kill(self) -> None:
        self.killed.set()


def note(*words: object) -> None:
    """Keep what happened; one line is written at once."""
    with Path("events").open("a") as stream:
        stream.write(" ".join(map(str, words)) + "\n")


def obtain(kernel: Kernel, *_: object) -> Artifact:
    note("obtain", kernel.id, os.getpid())
    if kernel.id == "sid":
        raise ArtifactError("no mirror")
    return doubles.artifact()


def inspect(cache: Cache, *, cold: bool, **_: Any) -> Host:
    return doubles.machine_of(cache, cold=cold)


@contextmanager
def start(origin: Origin, console: Path, life: Life) -> Iterator[Guest]:
    vm = doubles.FakeVm()
    vm.process = Process()  # type: ignore[attr-defined]
    with life.starts.watched(cast(Any, vm)):
        life.to(State.RESTORING)
        life.starts.restores.append(1.5)
        life.to(State.READY)
        yield doubles.guest(kernel=origin.kernel, vm=vm, life=life)
    note("end", origin.kernel.id)


def run(job: CaseJob, up: Guest) -> CaseResult:
    """Stand in for a case's run."""
    name, kernel = job.case.name, up.kernel.id
    tried = Path(f"{name}-{kernel}")
    note("run", name, kernel)
    with up.doing(f"running {name}"):
        outcome = Outcome.FAILED if name.startswith("fails") else Outcome.PASSED
        if name == "lost" and not tried.exists():
            tried.touch()
            up.life.to(State.LOST)
            outcome = Outcome.ERROR
        if name == "x" and kernel == "6.1":
            # Once the other kernel's is at work.
            while "run x 6.12" not in Path("events").read_text():
                threading.Event().wait(0.01)
            outcome = Outcome.FAILED
        if name == "x" and kernel == "6.12":
            killed: Process = up.vm.process  # type: ignore[assignment]
            note("killed", killed.killed.wait(PATIENCE))
        if name == "breaks_reports":
            _put_a_file("reports")
    return CaseResult(
        kernel=kernel,
        suite=job.suite,
        case=name,
        outcome=outcome,
        message="" if outcome is Outcome.PASSED else f"{name} ended so",
        checked=1,
        nodeid=job.nodeid,
        agreement=_agreement(name, kernel, "rows.yaml" if job.update else ""),
    )


def _put_a_file(name: str) -> None:
    """Put a file in a folder's place, whoever may make the folder again meanwhile."""
    while not Path(name).is_file():
        shutil.rmtree(name, ignore_errors=True)
        with contextlib.suppress(FileExistsError):
            Path(name).touch(exist_ok=False)


def _agreement(name: str, kernel: str, file: str) -> Agreement | None:
    """Return what a case gives for the comparison of kernels, by its name."""
    if not name.startswith(("differs", "agrees")):
        return None
    value = kernel if name.startswith("differs") else "same"
    rows = NormalRows(rows=[{"value": value}])
    wanted = AgreeExpectation.model_validate({"map": "m", "agree": True})
    return Agreement(found=(found(wanted, rows, expectation=0, file=file),))


def install(put: Callable[[Any, str, object], None] = setattr) -> None:
    """Replace kernels, the machine, guests and what runs in them."""
    replaced: tuple[tuple[Any, str, object], ...] = (
        (fetch, "obtain", obtain),
        (libbpf, "programs", lambda *_: doubles.PROGRAMS),
        (host, "inspect", inspect),
        (guest, "start", start),
        (case_run, "run", run),
        (Origin, "snapshot_key", "key"),
        (Origin, "initramfs", Initramfs(path=Path("/initramfs"), checksum="")),
    )
    for holder, name, double in replaced:
        put(holder, name, double)
