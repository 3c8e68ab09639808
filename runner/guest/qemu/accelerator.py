"""Which accelerator can run a guest on this host: found by a guest that spoke."""

import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from runner.arch import Architecture, native
from runner.errors import DOCTOR_INSTALLS, InfrastructureError, UsageError, file_errors
from runner.files import regular, whole
from runner.guest.qemu.machine import Accelerator, Machine
from runner.guest.qemu.vm import Vm, boot
from runner.kernels import nic

log = logging.getLogger(__name__)

AcceleratorChoice = Literal["auto", "kvm", "tcg"]

KVM = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# A kernel under KVM prints its first line within 0.3 s. On hosts where KVM opens and
# hangs, QEMU spins at the guest's first instruction and prints nothing for ever.
PROOF_TIMEOUT = 3.0
_POLL = 0.01


class AcceleratorFinding(BaseModel):
    """What was seen of a host's accelerators."""

    model_config = ConfigDict(frozen=True)

    accelerator: Accelerator
    reason: str
    # What it depends on; empty where it was not tried.
    host: str = ""


def choose(
    choice: AcceleratorChoice,
    architecture: Architecture,
    *,
    qemu: Path,
    kernel: Path,
    memory: Path,
) -> AcceleratorFinding:
    """Return the accelerator to use for guests of an architecture.

    `kernel` is any image of it, to try KVM with; `memory` is the file that remembers
    what was found for as long as the host is up and QEMU is the same.
    Raises UsageError when KVM is asked for by name and there is none.
    """
    if choice == "tcg":
        return AcceleratorFinding(accelerator="tcg", reason="asked for")
    if architecture is not native():
        # KVM runs what the host's processor can. Of several rows, those of the host's
        # own architecture run under it.
        return AcceleratorFinding(accelerator="tcg", reason=_foreign(architecture))
    if choice == "kvm":
        if not os.access(KVM, os.R_OK | os.W_OK):
            raise UsageError(
                f"--accel kvm: you have no permission to open {KVM}",
                hint="join the group that owns it, or use --accel tcg",
            )
        return AcceleratorFinding(accelerator="kvm", reason="asked for")
    if not os.access(KVM, os.R_OK | os.W_OK):
        return AcceleratorFinding(accelerator="tcg", reason=f"{KVM} can't be opened")
    return _remembered(
        memory, _host(qemu), lambda: _prove_kvm(architecture, qemu, kernel)
    )


def _host(qemu: Path) -> str:
    """Return what the finding depends on: this boot of the host, this QEMU."""
    with file_errors(
        InfrastructureError, f"can't find QEMU at {qemu}", hint=DOCTOR_INSTALLS
    ):
        status = qemu.stat()
    boot_id = _BOOT_ID.read_text().strip()
    return (
        f"{boot_id} {qemu} {status.st_size} {status.st_mtime_ns} {KVM.stat().st_mode}"
    )


def _remembered(
    memory: Path, host: str, find: Callable[[], AcceleratorFinding]
) -> AcceleratorFinding:
    try:
        known = AcceleratorFinding.model_validate_json(regular.read(memory))
        if known.host == host:
            return known
    except (OSError, ValueError):
        log.debug("no result of an accelerator test in %s", memory)
    finding = find().model_copy(update={"host": host})
    try:
        whole.write(memory, finding.model_dump_json().encode())
    except OSError as error:
        # It costs the next run the trial, and nothing else.
        log.warning("the result of the accelerator test can't be saved: %s", error)
    return finding


def _foreign(architecture: Architecture) -> str:
    return f"this machine is {platform.machine()}, the guest {architecture.name}"


def _prove_kvm(
    architecture: Architecture, qemu: Path, kernel: Path
) -> AcceleratorFinding:
    log.info("testing KVM with a guest, for at most %.0f s", PROOF_TIMEOUT)
    with tempfile.TemporaryDirectory(prefix="accelerator-") as folder:
        machine = Machine(
            qemu=qemu,
            architecture=architecture,
            accelerator="kvm",
            kernel=kernel,
            initrd="",
            memory=128,
            nic=nic.of(architecture)[0].device,
            arguments=(architecture.board.early_console, "loglevel=8"),
            console=Path(folder) / "console.log",
        )
        try:
            with boot(machine, b"") as vm:
                return _listen(vm)
        except InfrastructureError as error:
            return AcceleratorFinding(accelerator="tcg", reason=f"KVM: {error.message}")


def _listen(vm: Vm) -> AcceleratorFinding:
    end = time.monotonic() + PROOF_TIMEOUT
    while time.monotonic() < end:
        if "Linux version" in vm.console():
            return AcceleratorFinding(accelerator="kvm", reason="a guest ran under KVM")
        if not vm.running:
            return AcceleratorFinding(accelerator="tcg", reason="QEMU exited under KVM")
        time.sleep(_POLL)
    return AcceleratorFinding(
        accelerator="tcg",
        reason=f"a guest under KVM printed nothing for {PROOF_TIMEOUT:.0f} s",
    )
