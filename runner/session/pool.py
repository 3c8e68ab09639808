"""The guests of a run: one kernel at a time, a new guest after a lost one."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from runner import reports
from runner.artifacts import Artifact
from runner.errors import GuestError, RunnerError
from runner.matrix import Kernel
from runner.results import KernelRun
from runner.session import guest, logfile
from runner.session.guest import Guest
from runner.session.host import Host

log = logging.getLogger(__name__)


@dataclass
class _Bringup:
    """What is known of a kernel's guests in this run."""

    # Kept, so that a kernel that can't come up costs its deadline once.
    failure: RunnerError | None = None
    boots: list[float] = field(default_factory=list)
    evidence: KernelRun | None = None


class Guests:
    """Lends guests. `close` ends the last one."""

    def __init__(
        self,
        host: Host,
        artifacts: Mapping[str, Artifact | RunnerError],
        reports: Path,
    ) -> None:
        self._host = host
        self._artifacts = artifacts
        self._reports = reports
        self._current: Guest | None = None
        self._stack = ExitStack()
        self._known: dict[str, _Bringup] = {}

    def lease(self, kernel: Kernel) -> Guest:
        """Return a guest of the kernel: the running one, or a new one.

        Raises what kept the kernel from coming up, again at every call.
        """
        current = self._current
        if current is not None and current.kernel == kernel and current.usable:
            return current
        self.close()
        known = self._known.setdefault(kernel.id, _Bringup())
        if known.failure is not None:
            raise known.failure
        try:
            self._current = self._start(kernel, known)
        except RunnerError as error:
            log.error("%s: %s", kernel.id, error)
            self.close()
            known.failure = error
            raise
        return self._current

    def _start(self, kernel: Kernel, known: _Bringup) -> Guest:
        artifact = self._artifacts[kernel.id]
        if isinstance(artifact, RunnerError):
            raise artifact
        folder = reports.folder_of(kernel.id, self._reports)
        self._stack.enter_context(logfile.written_to(folder / reports.LOG))
        up = self._stack.enter_context(
            guest.start(kernel, artifact, self._host, folder / reports.CONSOLE)
        )
        known.boots.append(up.boot_seconds)
        known.evidence = _evidence(up, self._host)
        return up

    def close(self) -> None:
        """End the current guest, if there is one."""
        self._current = None
        self._stack.close()
        self._stack = ExitStack()

    def run_of(self, kernel: Kernel) -> KernelRun:
        """Return what is known of a kernel so far, for the reports."""
        known = self._known.get(kernel.id, _Bringup())
        if known.evidence is not None:
            return known.evidence.model_copy(update={"boots": tuple(known.boots)})
        failure = known.failure
        return KernelRun(
            id=kernel.id,
            required=kernel.required,
            error=failure.message if failure else "",
            cure=failure.hint if failure else "",
            console=failure.console if isinstance(failure, GuestError) else "",
        )


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
