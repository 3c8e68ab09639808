"""What all lenders of guests know of a run's kernels, and how a guest of one starts."""

import logging
import os
import shlex
import shutil
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner import reports
from runner.artifacts import Artifact
from runner.errors import GuestError, RunnerError
from runner.matrix import Kernel
from runner.qemu.machine import by_hand
from runner.results import KernelRun
from runner.session import guest, logfile
from runner.session.guest import Guest, Origin, Starts
from runner.session.host import Host

log = logging.getLogger(__name__)


@dataclass
class _Known:
    """What is known of a kernel's guests in this run."""

    origin: Origin
    starts: Starts = field(default_factory=Starts)
    evidence: KernelRun | None = None
    # Held by who starts the guest that the kernel's snapshot is made of.
    first: threading.Lock = field(default_factory=threading.Lock)


@dataclass(kw_only=True)
class Running:
    """A guest that is up, and what ends it."""

    guest: Guest
    stack: ExitStack
    # Who used it; "" for nobody.
    tenant: str = ""


class Bringups:
    """Starts guests, for several threads at a time."""

    def __init__(
        self,
        host: Host,
        artifacts: Mapping[str, Artifact | RunnerError],
        reports: Path,
    ) -> None:
        self._host = host
        self._artifacts = artifacts
        self._reports = reports
        self._known: dict[str, _Known] = {}
        # Kept, so that a kernel that can't come up costs its deadline once.
        self._failures: dict[str, RunnerError] = {}
        self._stopped = False
        self._logs = ExitStack()
        self._count = 0
        # Held by whoever reads or writes one of the above or a kernel's evidence, or
        # appends to a console's file. Nobody starts a guest while holding it.
        self._lock = threading.RLock()

    def start(self, kernel: Kernel) -> Running:
        """Start a guest. Raises what keeps the kernel from coming up."""
        known = self._get(kernel)
        if known.origin.uses_snapshots and not known.origin.has_snapshot:
            # Who waits here finds a snapshot, or the reason why there is none.
            with known.first:
                self.check(kernel)
                try:
                    return self._start(known)
                except RunnerError as error:
                    self.give_up(kernel, error)
                    raise
        return self._start(known)

    def check(self, kernel: Kernel) -> None:
        """Raise what kept the kernel from coming up before."""
        with self._lock:
            failure = self._failures.get(kernel.id)
        if failure is not None:
            raise failure

    def give_up(self, kernel: Kernel, error: RunnerError) -> None:
        """Start no more guests of a kernel. The first reason is kept."""
        with self._lock:
            # What ended its guest may be `stop`, which says nothing of the kernel.
            is_first = kernel.id not in self._failures and not self._stopped
            if is_first:
                self._failures[kernel.id] = error
        if is_first:
            log.error("%s: %s", kernel.id, error)

    def has_snapshot(self, kernel: Kernel) -> bool:
        """Whether a guest can be had quickly. Raises what keeps it from being had."""
        self.check(kernel)
        return self._get(kernel).origin.has_snapshot

    def uses_snapshots(self, kernel: Kernel) -> bool:
        """Whether each tenant of a kernel has a guest of its own."""
        return self._get(kernel).origin.uses_snapshots

    def keep_evidence(self, up: Guest) -> None:
        """Keep what a guest says about its kernel."""
        known = self._get(up.kernel)
        evidence = _evidence(up, known.origin)
        with self._lock:
            known.evidence = evidence

    def run_of(self, kernel: Kernel) -> KernelRun:
        """Return what is known of a kernel so far, for the reports."""
        with self._lock:
            known = self._known.get(kernel.id)
            evidence = None if known is None else known.evidence
            failure = self._failures.get(kernel.id)
        if known is not None and evidence is not None:
            return evidence.model_copy(
                update={
                    "boots": tuple(known.starts.boots),
                    "restores": tuple(known.starts.restores),
                    "notes": tuple(known.starts.notes),
                    "timeout_scale": self._host.pace.most,
                }
            )
        return KernelRun(
            id=kernel.id,
            required=kernel.required,
            timeout_scale=self._host.pace.most,
            error=failure.message if failure else "",
            cure=failure.hint if failure else "",
            console=failure.console if isinstance(failure, GuestError) else "",
        )

    def stop(self) -> None:
        """Kill all guests and start none any more, so that nobody waits for one."""
        with self._lock:
            self._stopped = True
            starts = [known.starts for known in self._known.values()]
        for each in starts:
            each.stop()

    def close(self) -> None:
        """Free what is shared, once all guests are ended."""
        self._host.snapshots.close()
        self._logs.close()

    def _get(self, kernel: Kernel) -> _Known:
        """Return what is known of a kernel. Raises what keeps it from being had."""
        with self._lock:
            if kernel.id not in self._known:
                artifact = self._artifacts[kernel.id]
                if isinstance(artifact, RunnerError):
                    raise artifact
                known = _Known(
                    Origin(kernel=kernel, artifact=artifact, host=self._host)
                )
                if self._stopped:
                    known.starts.stop()
                self._known[kernel.id] = known
                path = self._folder(kernel) / reports.LOG
                self._logs.enter_context(logfile.written_to(path, kernel.id))
            return self._known[kernel.id]

    def _folder(self, kernel: Kernel) -> Path:
        return reports.folder_of(kernel.id, self._reports)

    def _start(self, known: _Known) -> Running:
        kernel = known.origin.kernel
        logfile.turn_to(kernel.id)
        with self._lock:
            self._count += 1
            name = f"console.{os.getpid()}-{self._count}.log"
        # Of its own, so that two that are up at a time can be told apart.
        console = self._folder(kernel) / name
        with ExitStack() as stack:
            stack.callback(self._append, console, console.with_name(reports.CONSOLE))
            up = stack.enter_context(guest.start(known.origin, console, known.starts))
            return Running(guest=up, stack=stack.pop_all())

    def _append(self, part: Path, whole: Path) -> None:
        """Move a guest's console to the end of its kernel's."""
        with self._lock, suppress(FileNotFoundError), part.open("rb") as source:
            with whole.open("ab") as target:
                shutil.copyfileobj(source, target)
            part.unlink()


def _evidence(up: Guest, origin: Origin) -> KernelRun:
    host = origin.host
    return KernelRun(
        id=up.kernel.id,
        required=up.kernel.required,
        release=up.hello.release,
        image=up.artifact.origin,
        image_sha256=up.artifact.image_sha256,
        btf_source=up.artifact.btf_source,
        btf_sha256=up.artifact.btf_sha256 or "",
        qemu=host.qemu_version,
        accelerator=up.vm.machine.accelerator,
        qemu_command=shlex.join(by_hand(up.vm.machine, origin.initramfs.path)),
        libbpf=up.hello.libbpf,
        libbpf_source=host.programs.source,
        libbpf_sha256=host.programs.sha256,
        bpftool=up.bpftool_version,
    )
