"""One start of a guest: bare, booted or restored."""

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from runner.errors import RunnerError, UsageError
from runner.files.cache import Cache
from runner.files.shipped import ROOT
from runner.guest import guest, host
from runner.guest.guest import Origin
from runner.guest.life import Life, Starts
from runner.guest.qemu.vm import boot
from runner.kernels import fetch
from runner.matrix import matrix
from runner.text.progress import progress

_LINE = "userspace-is-here"
# Other architectures are slow.
_TIMEOUT = 180.0


@dataclass(frozen=True, kw_only=True)
class Start:
    """One guest's start."""

    # From QEMU's start to the agent's answer.
    seconds: float
    # QEMU's peak, in MiB.
    resident: float


def origin(kernel_id: str) -> Origin:
    """Return a kernel of the matrix, fetched. Raises RunnerError when it is missing."""
    kernels = matrix.load(ROOT / "matrix.yaml").kernels
    kernel = next((it for it in kernels if it.id == kernel_id), None)
    if kernel is None:
        raise RunnerError(f"no kernel {kernel_id} in matrix.yaml")
    cache = Cache()
    return Origin(
        kernel=kernel,
        artifact=fetch.obtain(kernel, cache, progress()),
        host=host.inspect(cache, accelerator="tcg", boot_timeout=_TIMEOUT),
    )


def bare(of: Origin) -> float:
    """Return the seconds from QEMU's start to a line that the first process prints."""
    image = of.initramfs.read()
    with tempfile.TemporaryDirectory() as folder:
        machine = of.machine(Path(folder) / "console.log")
        machine = replace(
            machine, arguments=("rdinit=/bin/busybox", "--", "echo", _LINE)
        )
        started = time.monotonic()
        with boot(machine, image) as vm:
            while _LINE not in vm.console():
                if time.monotonic() - started > _TIMEOUT or not vm.running:
                    raise vm.lost("booting bare")
                time.sleep(0.005)
            return time.monotonic() - started


def cold(of: Origin) -> Start:
    """Boot a guest."""
    without = replace(of, host=replace(of.host, cold=True))
    return _start(without, lambda starts: starts.boots)


def restored(of: Origin) -> Start:
    """Start a guest from its snapshot, saved if there is none."""
    return _start(of, lambda starts: starts.restores)


def _start(of: Origin, seconds: Callable[[Starts], list[float]]) -> Start:
    starts = Starts(kernel=of.kernel.id)
    with (
        tempfile.TemporaryDirectory() as folder,
        guest.start(of, Path(folder) / "console.log", Life(starts)) as up,
    ):
        status = Path(f"/proc/{up.vm.process.pid}/status").read_text()
    if starts.notes:
        raise RunnerError(starts.notes[0])
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return Start(seconds=seconds(starts)[-1], resident=int(peak.split()[1]) / 1024)


@dataclass(frozen=True, kw_only=True)
class Virtme:
    """virtme-ng and a kernel that it can boot."""

    program: Path
    image: Path
    release: str

    def seconds(self) -> float:
        """Return the seconds in which it boots the kernel and runs `uname -r`.

        Raises RunnerError when it does not.
        """
        words = [self.program, "--verbose", "--disable-kvm", "-r", self.image]
        words += ["--", "uname", "-r"]
        path = f"{self.program.parent}:{os.environ['PATH']}"
        started = time.monotonic()
        try:
            # It wants a terminal; --verbose shows the output even where nobody types at
            # it. Its folder is on the PATH, for programs that it starts.
            done = subprocess.run(
                ["script", "-qec", shlex.join(map(str, words)), "/dev/null"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env={**os.environ, "PATH": path},
                timeout=10 * _TIMEOUT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunnerError(f"virtme-ng failed: {error}") from error
        seconds = time.monotonic() - started
        # Its exit status says nothing: 255 with a terminal that is at its end.
        if self.release not in done.stdout.split():
            raise RunnerError(f"virtme-ng failed: {done.stdout[-500:]}")
        return seconds


def virtme(
    program: Path, image: Path | None, release: str, root: Path = Path("/")
) -> Virtme:
    """Return virtme-ng with an image, or with the kernel installed below `root`.

    Raises UsageError for anything that is missing, before anything is measured.
    """
    if not os.access(program, os.X_OK) or not program.is_file():
        raise UsageError(f"--vng {program}: it is not a program")
    if image is not None:
        release = image.name.partition("-")[2]
    found = image or root / f"boot/vmlinuz-{release}"
    modules = found.absolute().parents[1] / "lib/modules" / release / "modules.dep"
    for path in (found, modules):
        if not path.is_file():
            raise UsageError(
                f"--vng: {path} does not exist, and virtme-ng needs it",
                hint="unpack the kernel's package (dpkg -x PACKAGE FOLDER; depmod "
                f"-b FOLDER {release or 'RELEASE'}), and name the kernel: --vng-image "
                f"FOLDER/boot/vmlinuz-{release or 'RELEASE'}",
            )
    return Virtme(program=program.absolute(), image=found, release=release)
