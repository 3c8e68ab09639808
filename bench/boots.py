"""One boot of a kernel, bare or until its agent answers."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from runner import artifacts, matrix
from runner.artifacts import Artifact
from runner.artifacts.cache import Cache
from runner.artifacts.progress import progress
from runner.errors import RunnerError
from runner.matrix import Kernel
from runner.qemu.machine import Machine
from runner.qemu.vm import boot
from runner.session import guest, host
from runner.session.host import ROOT, Host, packed_initramfs

_LINE = "userspace-is-here"
_TIMEOUT = 60.0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A kernel with all that its boots need."""

    kernel: Kernel
    artifact: Artifact
    host: Host
    initramfs: bytes


def subject(kernel_id: str) -> Subject:
    """Return a kernel of the matrix, fetched. Raises RunnerError when it is missing."""
    kernels = matrix.load(ROOT / "matrix.yaml").kernels
    kernel = next((it for it in kernels if it.id == kernel_id), None)
    if kernel is None:
        raise RunnerError(f"no kernel {kernel_id} in matrix.yaml")
    cache = Cache()
    machine_host = host.inspect(cache, accelerator="tcg", boot_timeout=_TIMEOUT)
    artifact = artifacts.obtain(kernel, cache, progress())
    return Subject(
        kernel=kernel,
        artifact=artifact,
        host=machine_host,
        initramfs=packed_initramfs(machine_host, artifact.modules),
    )


def bare(of: Subject) -> float:
    """Return the seconds from QEMU's start to a line that the first process prints."""
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(
            qemu=of.host.qemu,
            accelerator="tcg",
            kernel=of.artifact.vmlinuz,
            initrd="",
            memory=of.kernel.memory,
            arguments=("rdinit=/bin/busybox", "--", "echo", _LINE),
            console=Path(folder) / "console.log",
        )
        started = time.monotonic()
        with boot(machine, of.initramfs) as vm:
            while _LINE not in vm.console():
                if time.monotonic() - started > _TIMEOUT or not vm.running:
                    raise vm.lost("booting bare")
                time.sleep(0.005)
            return time.monotonic() - started


def ready(of: Subject) -> tuple[float, float]:
    """Return the seconds until the agent answers, and QEMU's peak memory in MiB."""
    with (
        tempfile.TemporaryDirectory() as folder,
        guest.start(
            of.kernel, of.artifact, of.host, Path(folder) / "console.log"
        ) as up,
    ):
        status = Path(f"/proc/{up.vm.process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return up.boot_seconds, int(peak.split()[1]) / 1024
