"""Starts the guests of a run, and keeps what is known of each kernel's guests."""

import logging
import os
import shutil
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner import reports
from runner.errors import GuestError, RunnerError
from runner.files import cache
from runner.guest import census, guest, logfile
from runner.guest.environment import EnvironmentUnavailableError
from runner.guest.guest import Guest, Origin
from runner.guest.host import Host
from runner.guest.life import Life, Observe, Starts, State, ignore
from runner.guest.qemu.machine import by_hand
from runner.kernels.artifact import Artifact
from runner.matrix.matrix import Kernel
from runner.results import KernelRun

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Known:
    """What is known of a kernel's guests in this run."""

    origin: Origin
    starts: Starts
    # Held by who starts the guest that the kernel's snapshot is made of.
    first: threading.Lock = field(default_factory=threading.Lock)


@dataclass(kw_only=True)
class Running:
    """A guest that is up, and what ends it."""

    guest: Guest
    stack: ExitStack
    # Who used it last; "" for nobody.
    tenant: str = ""
    # What there was in it before anybody used it; None if nobody else is to use it.
    start: census.Start | None = None
    # Whether a census shows all that was done in it.
    is_seen: bool = True
    # Whether commands ran in it.
    ran_commands: bool = False

    def end(self) -> None:
        """End the guest."""
        self.stack.close()
        self.guest.life.to(State.ENDED)


# What tells guests of one kind from others: the row's id, and what they are besides.
_Key = tuple[str, str]


def _key(kernel: Kernel) -> _Key:
    return kernel.id, kernel.guest.model_dump_json(exclude_none=True)


class GuestFactory:
    """Starts guests, for several threads at once."""

    def __init__(
        self,
        inspect: Callable[[], Host],
        artifacts: Mapping[str, Artifact | RunnerError],
        reports: Path,
        observe: Observe = ignore,
        rows: Collection[Kernel] = (),
        *,
        reuses: Callable[[], bool] = lambda: True,
    ) -> None:
        """`inspect` is called for the first guest; `observe` is shown their lives.

        `rows` are the kernels with guests as the matrix wants them; `reuses` says
        whether a guest may serve another object than its first.
        """
        self._reuses = reuses
        self._rows = rows
        self._inspect = inspect
        self._artifacts = artifacts
        self._reports = reports
        self._observe = observe
        self._host: Host | None = None
        # By the row and what suites want of its guests.
        self._known: dict[_Key, _Known] = {}
        # What is reported of kernels: the evidence of a guest, or why there is none.
        self._found: dict[str, KernelRun] = {}
        # Kept, so that a kernel that does not come up costs its deadline once.
        self._failures: dict[_Key, RunnerError] = {}
        self._stopped = False
        self._logs = ExitStack()
        # Kernels that have a log.
        self._logged: set[str] = set()
        self._count = 0
        # Held by whoever reads or writes one of the above, or appends to a console's
        # file. Nobody starts a guest while holding it. A kernel's `starts` only grow:
        # they are copied without it.
        self._lock = threading.RLock()

    def start(self, kernel: Kernel) -> Running:
        """Start a guest. Raises what keeps the kernel from coming up, for good.

        Raises InfrastructureError where the host can't run guests.
        """
        # What it raises is no fault of the kernel.
        self._get_host()
        with ExitStack() as turn:
            try:
                known = self._get(kernel)
                if known.origin.uses_snapshots and not known.origin.has_snapshot:
                    # Who waits here finds a snapshot, or the reason why there is none.
                    turn.enter_context(known.first)
                self.check(kernel)
                return self._start(known, State.GIVEN_UP)
            except RunnerError as error:
                self._give_up(kernel, error)
                raise

    def start_spare(self, kernel: Kernel) -> Running:
        """Start a guest for later. When it does not come up, `start` may try again."""
        return self._start(self._get(kernel), State.RETRIED)

    def check(self, kernel: Kernel) -> None:
        """Raise what kept the kernel from coming up before."""
        with self._lock:
            failure = self._failures.get(_key(kernel))
        if failure is not None:
            raise failure

    def _give_up(self, kernel: Kernel, error: RunnerError) -> None:
        """Start no more guests of a kernel. The first reason is kept."""
        with self._lock:
            # What ended its guest may be `stop`, which says nothing of the kernel.
            if self._stopped or _key(kernel) in self._failures:
                return
            self._failures[_key(kernel)] = error
            if isinstance(error, EnvironmentUnavailableError):
                # It says nothing of the kernel's other guests.
                log.error("%s", error)
                return
            failed = KernelRun(
                id=kernel.id,
                required=kernel.required,
                error=error.message,
                cure=error.hint,
                console=error.console if isinstance(error, GuestError) else "",
            )
            self._found.setdefault(kernel.id, failed)
        log.error("%s: %s", kernel.id, error)

    def has_snapshot(self, kernel: Kernel) -> bool:
        """Whether a guest comes up soon. Raises what keeps it from coming up."""
        self.check(kernel)
        return self._get(kernel).origin.has_snapshot

    def uses_snapshots(self, kernel: Kernel) -> bool:
        """Whether each tenant of a kernel has a guest of its own."""
        return self._get(kernel).origin.uses_snapshots

    def keep_evidence(self, up: Guest) -> None:
        """Keep what a guest shows of its kernel."""
        evidence = _evidence(up, self._get(up.kernel).origin)
        with self._lock:
            found = self._found.get(up.kernel.id)
            # Of the row's own guests, if there are any.
            if found is None or found.error or up.kernel in self._rows:
                self._found[up.kernel.id] = evidence

    def run_of(self, kernel: Kernel) -> KernelRun:
        """Return what is known of a kernel so far, for the reports."""
        with self._lock:
            host = self._host
            known = self._known.items()
            starts = [it.starts for key, it in known if key[0] == kernel.id]
            found = self._found.get(kernel.id)
        found = found or KernelRun(id=kernel.id, required=kernel.required)
        update: dict[str, object] = {"tags": kernel.tags, "arch": kernel.arch}
        if host is not None:
            update["timeout_scale"] = host.pace.most
        if starts and found.release:
            for name in ("boots", "restores", "notes"):
                each = [it for one in starts for it in getattr(one, name)]
                # Guests of several kinds may have the same to say.
                update[name] = tuple(dict.fromkeys(each) if name == "notes" else each)
        return found.model_copy(update=update)

    def stop(self) -> None:
        """Kill all guests and start none any more, so that nobody waits for one."""
        with self._lock:
            self._stopped = True
            starts = [known.starts for known in self._known.values()]
        for each in starts:
            each.stop()

    def close(self) -> None:
        """Free what is shared, once all guests are ended."""
        with self._lock:
            if self._host is not None:
                self._host.snapshots.close()
            self._logs.close()

    def _get_host(self) -> Host:
        with self._lock:
            if self._host is None:
                self._host = self._inspect()
            return self._host

    def _get(self, kernel: Kernel) -> _Known:
        """Return what is known of a kernel.

        Raises why its files are unavailable, or what its guests can't be.
        """
        with self._lock:
            key = _key(kernel)
            if key not in self._known:
                artifact = self._artifacts[kernel.id]
                if isinstance(artifact, RunnerError):
                    raise artifact
                origin = Origin(kernel=kernel, artifact=artifact, host=self._get_host())
                # It may be missing, and nobody asks of a kernel without it.
                origin.kit  # noqa: B018
                known = self._known[key] = _Known(
                    origin=origin,
                    starts=Starts(kernel=kernel.id, observe=self._observe),
                )
                if self._stopped:
                    known.starts.stop()
                path = self._folder(kernel) / reports.LOG
                if kernel.id not in self._logged:
                    self._logs.enter_context(logfile.written_to(path, kernel.id))
                self._logged.add(kernel.id)
            known = self._known[key]
        # Not under the lock: it may try an accelerator.
        known.origin.require()
        return known

    def _folder(self, kernel: Kernel) -> Path:
        return reports.folder_of(kernel.id, self._reports)

    def _start(self, known: _Known, otherwise: State) -> Running:
        """Start a guest; `otherwise` is what becomes of one that is lost."""
        kernel = known.origin.kernel
        logfile.turn_to(kernel.id)
        with self._lock:
            self._count += 1
            name = f"console.{os.getpid()}-{self._count}.log"
        # Of its own, so that two that are up at once can be told apart.
        console = self._folder(kernel) / name
        life = Life(known.starts)
        with ExitStack() as stack:
            stack.callback(self._append, console, console.with_name(reports.CONSOLE))
            try:
                up = stack.enter_context(guest.start(known.origin, console, life))
                start = self._census(known, up)
            except RunnerError:
                life.to(State.LOST)
                life.to(otherwise)
                raise
            return Running(guest=up, stack=stack.pop_all(), start=start)

    def _census(self, known: _Known, up: Guest) -> census.Start | None:
        """Return what there is in a new guest, if others may come to use it."""
        if not self._reuses() or not known.origin.uses_snapshots:
            return None
        return census.at_start(up)

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
        qemu=origin.kit.qemu_version,
        accelerator=up.vm.machine.accelerator,
        workaround=up.vm.machine.workaround,
        qemu_command=cache.in_shell(by_hand(up.vm.machine, origin.initramfs.path)),
        libbpf=up.hello.libbpf,
        libbpf_source=host.programs.source,
        libbpf_sha256=host.programs.sha256,
        bpftool=up.bpftool_version,
    )
