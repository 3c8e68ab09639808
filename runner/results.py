"""What a run found out: the values behind results.json, JUnit and the summary."""

import signal
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from runner.errors import ExitStatus

SCHEMA_VERSION: Literal[1] = 1


# A file that was edited may say anything; 1e9 are thirty years.
Seconds = Annotated[float, Field(ge=0, le=1e9)]


class Outcome(StrEnum):
    """What became of one case on one kernel."""

    PASSED = "passed"
    # A wrong value, or a load or attach that was refused.
    FAILED = "failed"
    # Infrastructure: says nothing about the object.
    ERROR = "error"
    # A gap that the suite declares, with its reason.
    SKIPPED = "skipped"


class CaseKey(NamedTuple):
    """What a case on a kernel is known by, within a run and from run to run."""

    kernel: str
    suite: str
    case: str

    def __str__(self) -> str:
        return f"{self.kernel} {self.suite}::{self.case}"


class Record(BaseModel):
    """Base of the frozen records that results.json is made of."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        defer_build=True,
        # JSON has neither, and no clock shows them.
        allow_inf_nan=False,
    )


class Mismatch(Record):
    """One expectation that did not hold."""

    subject: str
    """What was looked at: "map tasks", "program on_fork", "value ${run.retval}"."""
    key: str = ""
    """The row's key, for maps."""
    field: str = ""
    """The member of the value that differs, if it has members."""
    expected: str
    """As a reader should see them: JSON, or a matcher in words ("between 3 and 9")."""
    observed: str
    """In the same form."""

    def __str__(self) -> str:
        where = self.subject
        if self.key:
            where += f" key {self.key}"
        if self.field:
            where += f" field {self.field}"
        return f"{where}: expected {self.expected}, observed {self.observed}"


class Printed(Record):
    """A command that a case ran in its guest: how it ended, and what it printed."""

    name: str
    """What the suite calls it: "command", "truth inode"."""
    argv: tuple[str, ...]
    """The command, with references resolved."""
    exit: int | None = None
    """Its exit status; null when a signal ended it."""
    signal: str = ""
    """The signal that ended it: "SIGSEGV"."""
    timed_out: bool = False
    """Whether it was killed because its time was over."""
    stdout: str = ""
    """What it printed: the first and the last 16 KiB, and between them how much is left
    out."""
    stderr: str = ""
    """The same of its standard error."""
    stdout_file: str = ""
    """The file below the reports' folder that has all of it; empty when it printed
    nothing, or the file could not be written."""
    stderr_file: str = ""
    """The same of its standard error."""
    truncated: bool = False
    """Whether it printed more than the 2 MiB of a stream that a guest keeps; what is
    missing is in no file."""

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.timed_out:
            return "killed because its time was over"
        if self.signal:
            return f"killed by {self.signal}"
        return ended(self.exit)


def ended(status: int | None) -> str:
    """Return an exit status in words, with the signal that a shell makes it of."""
    if status is None:
        return "no exit status"
    try:
        name = signal.Signals(status - 128).name if status > 128 else ""
    except ValueError:
        name = ""
    return f"exit status {status}" + (f" ({name})" if name else "")


class ProgramState(Record):
    """What became of a program of a case's object."""

    name: str
    """Its name."""
    section: str = ""
    """Its section: "kprobe/wake_up_new_task"."""
    type: str = ""
    """Its type as libbpf names it; empty for one that libbpf has no name for."""
    loaded: bool = False
    """Whether it is in the kernel."""
    attached: bool = False
    """Whether it was attached to something."""
    why: str = ""
    """Why it was not loaded, or not attached."""


class StructOpsState(Record):
    """What became of a struct_ops map of a case's object."""

    name: str
    """Its name."""
    registered: bool = False
    """Whether it was registered with the kernel."""
    why: str = ""
    """Why it was not."""


class Phases(Record):
    """Seconds that each part of a case took."""

    load: Seconds = 0.0
    """Opening, loading and attaching."""
    trigger: Seconds = 0.0
    """Triggers and truths."""
    check: Seconds = 0.0
    """Reading maps and programs, and judging them."""


class CaseId(Record):
    """A case on a kernel, by its names."""

    kernel: str
    """The kernel's id in the matrix."""
    suite: str
    """The suite's name; of a test in Python, the file's without .py."""
    case: str
    """The case's name in the suite; of a test in Python, the function's, with its class
    and its parameters but the kernel: "TestLoad::test_it[small]"."""
    was: tuple[str, ...] = ()
    """What it was called before, as the suite says: "task::old_name"."""

    @property
    def key(self) -> CaseKey:
        """What the case is known by."""
        return CaseKey(self.kernel, self.suite, self.case)


class CaseVerdict(Record):
    """How a case ended, and what to do about it."""

    outcome: Outcome
    """What became of it."""
    message: str = ""
    """Why, in one line or a few. For a pass it is empty, or says what was not
    attached."""
    failure_class: str = ""
    """A class from the classifier ("wrong_value", "verifier_rejected", "panic", …)."""
    cure: str = ""
    """What the user can do; empty when there is nothing to say."""
    source: str = ""
    """The line of source that a refusal is about: "src/probe.bpf.c:37", as seen from
    where the run was started or from its repository; empty when that is not known."""
    mismatches: tuple[Mismatch, ...] = ()
    """All that was not as expected."""
    checked: int = 0
    """Expectations that held or did not; a case that checked nothing is a failure."""
    not_available: tuple[str, ...] = ()
    """Expectations that the kernel has no facts for, with why; not in `checked`."""
    console: str = ""
    """The console's last lines, when the guest was lost."""


class CaseResult(CaseVerdict, CaseId):
    """One case on one kernel."""

    predicted: str = ""
    """What preflight said before: "loads", "rejected" or "crashes"; empty where it
    can't tell."""
    not_predicted: str = ""
    """Why preflight can't tell, where it was asked; empty where it can."""
    log: str = ""
    """libbpf's and the verifier's log, whole."""
    commands: tuple[Printed, ...] = ()
    """The commands that the case ran in its guest, in their order; at most 100, the
    last ones."""
    programs: tuple[ProgramState, ...] = ()
    """The object's programs, and whether they were loaded and attached."""
    struct_ops: tuple[StructOpsState, ...] = ()
    """The object's struct_ops maps, and whether they were registered."""
    object_path: str = ""
    """The object, or its source, in the suite."""
    object_sha256: str = ""
    """Of the compiled object."""
    source_path: str = ""
    """The object's source, as seen from where the run was started."""
    duration: Seconds = 0.0
    """Seconds, without the guest's boot."""
    phases: Phases = Phases()
    """Seconds that its parts took."""
    nodeid: str = ""
    """pytest's name of it."""
    flaky: str = ""
    """Why a first try lost its guest, when this is the outcome of a second one."""

    @property
    def source_line(self) -> int:
        """The line in `source_path` that the failure is about; 0 if nothing tells."""
        file, _, line = self.source.rpartition(":")
        same = PurePosixPath(file).name == PurePosixPath(self.source_path).name
        return int(line) if same and line.isdecimal() else 0


class KernelRun(Record):
    """One kernel of a run: what was booted, and what with."""

    id: str
    """Its id in the matrix."""
    required: bool = True
    """Whether its failures count."""
    release: str = ""
    """`uname -r` as the guest said it; empty when it never came up."""
    image: str = ""
    """Where it is from: "bookworm linux-image-6.1.0-44-cloud-amd64 6.1.176-1"."""
    image_sha256: str = ""
    """Of the bzImage."""
    btf_source: str = ""
    """Where its BTF came from."""
    btf_sha256: str = ""
    """Of the BTF that objects were relocated against."""
    qemu: str = ""
    """QEMU's version."""
    accelerator: Literal["", "kvm", "tcg"] = ""
    """What it ran under; empty when it never came up."""
    qemu_command: str = ""
    """Boots the same machine from a shell, with its console on the terminal. Nobody can
    log in, because a guest's keys are gone with it; `rdinit=/bin/sh` behind -append
    gives a shell."""
    libbpf: str = ""
    """The version that loaded the objects."""
    libbpf_source: str = ""
    """The folder that --libbpf named; empty for the machine's libbpf."""
    libbpf_sha256: str = ""
    """Of that folder's files."""
    bpftool: str = ""
    """The version that read maps and programs."""
    boots: tuple[Seconds, ...] = ()
    """Seconds from QEMU's start to the first SSH command answered; one per boot."""
    restores: tuple[Seconds, ...] = ()
    """The same of guests that came from a snapshot; one per guest."""
    timeout_scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """The largest factor that timeouts were multiplied by, because the machine was
    slow or --timeout-scale said so; 1 for timeouts as they are."""
    notes: tuple[str, ...] = ()
    """What else to know of it, such as why no snapshot could be used."""
    error: str = ""
    """Set when the kernel never came up, so that none of its cases could run."""
    cure: str = ""
    """What the user can do about it."""
    console: str = ""
    """The console's last lines, when it never came up."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and what timeouts were multiplied by if they were."""
        if self.timeout_scale == 1:
            return self.notes
        scaled = f"timeouts were up to {self.timeout_scale:g} times as long as usual"
        return (*self.notes, scaled)


class ProgramUse(Record):
    """A program of an object, and what it needs of a kernel."""

    name: str
    """Its name."""
    section: str
    """Its section, which says its type: "kprobe/wake_up_new_task"."""
    helpers: tuple[str, ...] = ()
    """The helpers that it calls, and those of the functions in the object."""


class MapUse(Record):
    """A map of an object."""

    name: str
    """Its name."""
    type: str
    """Its type: "hash"."""


class ObjectUse(Record):
    """What an object needs of a kernel, told by the object alone."""

    path: str
    """As the cases name it."""
    sha256: str
    """Of the compiled object."""
    programs: tuple[ProgramUse, ...] = ()
    """In the order of the object."""
    maps: tuple[MapUse, ...] = ()
    """In the order of the object."""


class Shard(Record):
    """Which part of a run this is, when it was spread over several machines."""

    index: int = Field(ge=1)
    """From 1 on."""
    count: int = Field(ge=1)
    """How many parts there are."""
    planned: tuple[str, ...]
    """The kernels of all parts, in the order of the matrix."""
    own: tuple[str, ...]
    """The kernels of this part."""

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class Selection(Record):
    """What a run was asked for; parts of one run have the same."""

    matrix_sha256: str = ""
    """Of the matrix, its lock and what the command line has instead of its rows."""
    suites_sha256: str = ""
    """Of the suites' files, and of the Python tests'."""
    expression: str = ""
    """What -k said."""


class PlannedCase(Record):
    """A case that a run set out to do."""

    suite: str
    """The suite's name."""
    case: str
    """The case's name in the suite."""
    kernels: tuple[str, ...]
    """The ids of the kernels that it runs on."""


class FailedTest(Record):
    """A Python test that runs on no kernel, and failed."""

    nodeid: str
    """pytest's name of it."""
    message: str = ""
    """Why, in a few lines."""


class RunResults(Record):
    """A whole run; what results.json holds."""

    schema_version: Literal[1] = SCHEMA_VERSION
    """The version of this format."""
    runner: str
    """Version of this program."""
    started: str
    """RFC 3339, UTC."""
    duration: Seconds
    """Seconds."""
    planned: tuple[PlannedCase, ...] | None = None
    """What the run set out to do, written before the first guest; null in files of
    versions before 0.2, which had no plan."""
    complete: bool = True
    """Whether every planned case has a result. A run that is not complete has no
    verdict: it never passes a gate. Without a plan, what the file says."""
    kernels: tuple[KernelRun, ...] = ()
    """In the order of the matrix."""
    cases: tuple[CaseResult, ...] = Field(default=())
    """In the order of the kernels, then of the suites."""
    failed_tests: tuple[FailedTest, ...] = ()
    """Python tests that run on no kernel, and failed. They fail the run."""
    objects: tuple[ObjectUse, ...] = ()
    """The objects that were compiled or read, each once."""
    shard: Shard | None = None
    """Set when this is a part of a run."""
    selection: Selection = Selection()
    """What was asked for."""

    @model_validator(mode="after")
    def _settle(self) -> Self:
        return self._settled()

    def _settled(self) -> Self:
        """Set `complete` from the plan and the results; nothing else sets it."""
        if self.planned is not None:
            self.__dict__["complete"] = self.complete and not self.undone
        return self

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Self:
        """Return a copy with other values; it is complete if these make it so."""
        again = {} if self.planned is None else {"complete": True}
        copy = super().model_copy(update={**again, **(update or {})}, deep=deep)
        for name in ("plan", "undone"):
            copy.__dict__.pop(name, None)
        return copy._settled()

    @cached_property
    def plan(self) -> tuple[CaseKey, ...]:
        """Every case that was planned or has a result, in the order of the plan."""
        planned = (
            CaseKey(kernel, it.suite, it.case)
            for it in self.planned or ()
            for kernel in it.kernels
        )
        return tuple(dict.fromkeys((*planned, *(it.key for it in self.cases))))

    @cached_property
    def undone(self) -> tuple[CaseKey, ...]:
        """The planned cases that have no result."""
        done = {it.key for it in self.cases}
        return tuple(key for key in self.plan if key not in done)

    @property
    def progress(self) -> str:
        """Return "2 of 10": how many of the planned cases have a result."""
        planned = len(self.plan)
        return f"{planned - len(self.undone)} of {planned}"

    def by_kernel(self) -> Mapping[str, Sequence[CaseResult]]:
        """Return the cases of each kernel, by its id."""
        found: dict[str, list[CaseResult]] = {it.id: [] for it in self.kernels}
        for case in self.cases:
            found.setdefault(case.kernel, []).append(case)
        return found

    def count(self, outcome: Outcome) -> int:
        """Return how many cases ended as `outcome`."""
        return sum(case.outcome is outcome for case in self.cases)


def exit_status(
    results: RunResults, counts: Callable[[CaseResult], bool] = lambda _: True
) -> ExitStatus:
    """Return what a run means; a failure wins over infrastructure.

    `counts` says of a failed case whether it is held against the run.

    Kernels that are not required never fail a run. A run that was stopped, or that
    checked nothing, did not find the objects compatible.
    """
    optional = {kernel.id for kernel in results.kernels if not kernel.required}
    counting = [case for case in results.cases if case.kernel not in optional]
    if results.failed_tests or any(
        case.outcome is Outcome.FAILED and counts(case) for case in counting
    ):
        return ExitStatus.INCOMPATIBLE
    if (
        any(case.outcome is Outcome.ERROR for case in counting)
        or any(kernel.error for kernel in results.kernels if kernel.required)
        or not results.complete
        or checked_nothing(results)
    ):
        return ExitStatus.INFRASTRUCTURE
    return ExitStatus.COMPATIBLE


def checked_nothing(results: RunResults) -> bool:
    """Whether nothing ran that counts: required kernels have declared gaps only."""
    optional = {kernel.id for kernel in results.kernels if not kernel.required}
    return all(
        case.outcome is Outcome.SKIPPED or case.kernel in optional
        for case in results.cases
    )
