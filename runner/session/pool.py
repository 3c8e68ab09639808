"""The guests of a run: a clean one for each tenant, the next one started meanwhile."""

import logging
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner import reports
from runner.artifacts import Artifact
from runner.errors import GuestError, RunnerError
from runner.matrix import Kernel
from runner.results import KernelRun
from runner.session import guest, logfile
from runner.session.guest import Guest, Origin, Starts
from runner.session.host import Host, available_memory

log = logging.getLogger(__name__)

# MiB: what QEMU takes beside the guest's memory, and what the host keeps for others.
_OVERHEAD = 256


@dataclass
class _Bringup:
    """What is known of a kernel's guests in this run."""

    origin: Origin
    starts: Starts = field(default_factory=Starts)
    evidence: KernelRun | None = None


@dataclass(kw_only=True)
class _Running:
    """A guest that is up, and what ends it."""

    guest: Guest
    stack: ExitStack
    # Who used it; "" for nobody.
    tenant: str = ""


class Guests:
    """Lends guests, one at a time. `close` ends what is left of them."""

    def __init__(
        self,
        host: Host,
        artifacts: Mapping[str, Artifact | RunnerError],
        reports: Path,
    ) -> None:
        self._host = host
        self._artifacts = artifacts
        self._reports = reports
        self._current: _Running | None = None
        self._spare: tuple[Kernel, Future[_Running]] | None = None
        self._expected: tuple[Kernel, str] | None = None
        self._known: dict[str, _Bringup] = {}
        # Kept, so that a kernel that can't come up costs its deadline once.
        self._failures: dict[str, RunnerError] = {}
        self._logs = ExitStack()
        self._count = 0
        # One thread, which lives as long as the guests that it starts: Linux ends them
        # with it.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="spare-guest")

    def lease(self, kernel: Kernel, tenant: str) -> Guest:
        """Return a guest that no other tenant used: the tenant's own, or a new one.

        Where guests are not restored from snapshots, all tenants of a kernel share one.
        Raises what kept the kernel from coming up, again at every call.
        """
        logfile.turn_to(kernel.id)
        current = self._current
        if current is None or not self._serves(current, kernel, tenant):
            current = self._replace_current(kernel)
        current.tenant = tenant
        self._prepare_expected()
        return current.guest

    def _replace_current(self, kernel: Kernel) -> _Running:
        self._end_current()
        if kernel.id in self._failures:
            raise self._failures[kernel.id]
        try:
            known = self._bringup(kernel)
            self._current = self._take_spare(kernel) or self._start(known)
        except RunnerError as error:
            log.error("%s: %s", kernel.id, error)
            self._failures[kernel.id] = error
            raise
        known.evidence = _evidence(self._current.guest, self._host)
        return self._current

    def expect(self, kernel: Kernel | None, tenant: str) -> None:
        """Tell who leases a guest next, so that it is started meanwhile."""
        self._expected = None if kernel is None else (kernel, tenant)

    def _prepare_expected(self) -> None:
        if self._expected is None:
            return
        kernel, tenant = self._expected
        if self._current is None or not self._serves(self._current, kernel, tenant):
            self.prepare(kernel)

    def prepare(self, kernel: Kernel) -> None:
        """Start a guest of a kernel, to be leased later, if one can be had quickly.

        Never raises: what is wrong is found again by the lease.
        """
        if self._spare is not None or kernel.id in self._failures:
            return
        if not _has_room(kernel):
            log.info("no memory for a second guest")
            return
        with suppress(RunnerError):
            known = self._bringup(kernel)
            if known.origin.has_snapshot:
                self._spare = (kernel, self._executor.submit(self._start, known))

    def _serves(self, running: _Running, kernel: Kernel, tenant: str) -> bool:
        if running.guest.kernel != kernel or not running.guest.usable:
            return False
        if running.tenant in ("", tenant):
            return True
        return not self._known[kernel.id].origin.uses_snapshots

    def _bringup(self, kernel: Kernel) -> _Bringup:
        """Return what is known of a kernel. Raises what keeps it from being had."""
        if kernel.id not in self._known:
            artifact = self._artifacts[kernel.id]
            if isinstance(artifact, RunnerError):
                raise artifact
            self._known[kernel.id] = _Bringup(
                Origin(kernel=kernel, artifact=artifact, host=self._host)
            )
            path = self._folder(kernel) / reports.LOG
            self._logs.enter_context(logfile.written_to(path, kernel.id))
        return self._known[kernel.id]

    def _folder(self, kernel: Kernel) -> Path:
        return reports.folder_of(kernel.id, self._reports)

    def _start(self, known: _Bringup) -> _Running:
        kernel = known.origin.kernel
        logfile.turn_to(kernel.id)
        self._count += 1
        # Of its own, so that two that are up at a time can be told apart.
        console = self._folder(kernel) / f"console.{os.getpid()}-{self._count}.log"
        with ExitStack() as stack:
            stack.callback(_append, console, console.with_name(reports.CONSOLE))
            up = stack.enter_context(guest.start(known.origin, console, known.starts))
            return _Running(guest=up, stack=stack.pop_all())

    def _take_spare(self, kernel: Kernel) -> _Running | None:
        """Return the guest that was prepared, if it is of this kernel and well."""
        if self._spare is None:
            return None
        spare, self._spare = self._spare, None
        try:
            running = spare[1].result()
        except RunnerError as error:
            log.warning("%s: the next guest did not come up: %s", spare[0].id, error)
            return None
        if spare[0] == kernel and running.guest.usable:
            return running
        running.stack.close()
        return None

    def _end_current(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.stack.close()

    def close(self) -> None:
        """End all guests."""
        self._end_current()
        if self._spare is not None:
            # None is of this kernel, so that it is ended.
            spare, self._spare = self._spare, None
            with suppress(RunnerError):
                spare[1].result().stack.close()
        self._executor.shutdown()
        self._host.snapshots.close()
        self._logs.close()

    def run_of(self, kernel: Kernel) -> KernelRun:
        """Return what is known of a kernel so far, for the reports."""
        known = self._known.get(kernel.id)
        if known is not None and known.evidence is not None:
            return known.evidence.model_copy(
                update={
                    "boots": tuple(known.starts.boots),
                    "restores": tuple(known.starts.restores),
                    "notes": tuple(known.starts.notes),
                }
            )
        failure = self._failures.get(kernel.id)
        return KernelRun(
            id=kernel.id,
            required=kernel.required,
            error=failure.message if failure else "",
            cure=failure.hint if failure else "",
            console=failure.console if isinstance(failure, GuestError) else "",
        )


def _has_room(kernel: Kernel) -> bool:
    """Whether another guest of the kernel fits into the host's memory."""
    available = available_memory()
    return available is None or available > kernel.memory + _OVERHEAD


def _append(part: Path, whole: Path) -> None:
    """Move a guest's console to the end of its kernel's."""
    with suppress(FileNotFoundError), part.open("rb") as source:
        with whole.open("ab") as target:
            shutil.copyfileobj(source, target)
        part.unlink()


def _evidence(up: Guest, host: Host) -> KernelRun:
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
        qemu_command=up.vm.command_line,
        libbpf=up.hello.libbpf,
        bpftool=up.bpftool_version,
    )
