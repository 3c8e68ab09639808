"""The processor of a guest: what it must do without, and what makes up for that."""

from dataclasses import dataclass

from runner.arch import AcceleratorName, Architecture
from runner.errors import InfrastructureError
from runner.versions import KernelVersion, VersionRange


@dataclass(frozen=True, kw_only=True)
class Processor:
    """The processor of one guest."""

    # -cpu
    model: str
    # Words on its kernel's command line that make up for what it lacks.
    arguments: tuple[str, ...] = ()
    # What the words are for; empty without any.
    note: str = ""


def of(
    architecture: Architecture,
    accelerator: AcceleratorName,
    *,
    qemu: str,
    kernel: KernelVersion,
) -> Processor:
    """Return the processor of a guest; `qemu` is QEMU's version: "7.2.22".

    Raises InfrastructureError for a kernel that no processor of this QEMU suits.
    """
    board = architecture.board
    if accelerator == "kvm":
        return Processor(model="host")
    model = board.cpu
    arguments: list[str] = []
    notes: list[str] = []
    for lack in board.lacks:
        if KernelVersion.parse(qemu) not in VersionRange.parse(lack.qemu):
            continue
        if any(kernel in VersionRange.parse(it) for it in lack.unfit):
            raise InfrastructureError(
                f"Linux {kernel} can't run under QEMU {qemu}: {lack.why}",
                hint=f"use a QEMU that is not {lack.qemu}, or a kernel that is not "
                + " or ".join(lack.unfit),
            )
        model += f",{lack.option}"
        if kernel in VersionRange.parse(lack.kernels):
            arguments += lack.arguments
            notes.append(f"{' '.join(lack.arguments)} was added: {lack.why}")
    return Processor(model=model, arguments=tuple(arguments), note="; ".join(notes))
