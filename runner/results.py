"""What a run found out: the values behind results.json, JUnit and the summary."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from runner.errors import ExitStatus

SCHEMA_VERSION: Literal[1] = 1


class Outcome(StrEnum):
    """What became of one case on one kernel."""

    PASSED = "passed"
    # A wrong value, or a load or attach that was refused.
    FAILED = "failed"
    # Infrastructure: says nothing about the object.
    ERROR = "error"
    # A gap that the suite declares, with its reason.
    SKIPPED = "skipped"


class Record(BaseModel):
    """Base of the frozen records that results.json is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Mismatch(Record):
    """One expectation that did not hold."""

    # What was looked at: "map tasks", "program on_fork", "value ${run.retval}".
    subject: str
    key: str = ""
    field: str = ""
    # As a reader should see them: JSON, or a matcher in words ("between 3 and 9").
    expected: str
    observed: str

    def __str__(self) -> str:
        where = self.subject
        if self.key:
            where += f" key {self.key}"
        if self.field:
            where += f" field {self.field}"
        return f"{where}: expected {self.expected}, observed {self.observed}"


class Phases(Record):
    """Seconds that each part of a case took."""

    load: float = 0.0
    trigger: float = 0.0
    check: float = 0.0


class CaseResult(Record):
    """One case on one kernel."""

    kernel: str
    suite: str
    case: str
    outcome: Outcome
    # Why, in one line; empty for a pass.
    message: str = ""
    # A class from the classifier ("wrong_value", "verifier_rejected", "panic", …).
    failure_class: str = ""
    # What the user can do; empty when there is nothing to say.
    cure: str = ""
    mismatches: tuple[Mismatch, ...] = ()
    # Expectations that held or did not; a case that checked nothing is a failure.
    checked: int = 0
    # libbpf's and the verifier's log, whole.
    log: str = ""
    # The console's last lines, when the guest was lost.
    console: str = ""
    object_path: str = ""
    object_sha256: str = ""
    duration: float = 0.0
    phases: Phases = Phases()
    nodeid: str = ""


class KernelRun(Record):
    """One kernel of a run: what was booted, and what with."""

    id: str
    required: bool = True
    # `uname -r` as the guest said it; empty when it never came up.
    release: str = ""
    # "bookworm linux-image-6.1.0-44-cloud-amd64 6.1.176-1".
    image: str = ""
    image_sha256: str = ""
    btf_source: str = ""
    btf_sha256: str = ""
    qemu: str = ""
    accelerator: Literal["", "kvm", "tcg"] = ""
    # Pasteable; kept as evidence.
    qemu_command: str = ""
    libbpf: str = ""
    bpftool: str = ""
    # Seconds from QEMU's start to the first SSH command answered; one per boot.
    boots: tuple[float, ...] = ()
    # Set when the kernel never came up, so that none of its cases could run.
    error: str = ""
    console: str = ""


class RunResults(Record):
    """A whole run; what results.json holds."""

    schema_version: Literal[1] = SCHEMA_VERSION
    # Version of this program.
    runner: str
    # RFC 3339, UTC.
    started: str
    duration: float
    # False when the run was stopped before every case was done.
    complete: bool = True
    kernels: tuple[KernelRun, ...] = ()
    cases: tuple[CaseResult, ...] = Field(default=())

    def count(self, outcome: Outcome) -> int:
        """Return how many cases ended as `outcome`."""
        return sum(case.outcome is outcome for case in self.cases)


def exit_status(results: RunResults) -> ExitStatus:
    """Return what a run means; a failure wins over infrastructure.

    Kernels that are not required never fail a run. A run that was stopped, or in which
    there was no case, is none that found the objects compatible.
    """
    optional = {kernel.id for kernel in results.kernels if not kernel.required}
    counting = [case for case in results.cases if case.kernel not in optional]
    if any(case.outcome is Outcome.FAILED for case in counting):
        return ExitStatus.INCOMPATIBLE
    if (
        any(case.outcome is Outcome.ERROR for case in counting)
        or any(kernel.error for kernel in results.kernels if kernel.required)
        or not results.complete
        or not results.cases
    ):
        return ExitStatus.INFRASTRUCTURE
    return ExitStatus.COMPATIBLE
