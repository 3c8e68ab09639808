"""What a run found out: the values behind results.json, JUnit and the summary."""

import json
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import cached_property
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from runner.errors import ExitStatus

SCHEMA_VERSION: Literal[1] = 1


# A file that was edited may say anything; 1e9 are thirty years.
Seconds = Annotated[float, Field(ge=0, le=1e9)]


class Outcome(StrEnum):
    """The outcome of one case on one kernel."""

    PASSED = "passed"
    # A wrong value, or a load or attach that was refused.
    FAILED = "failed"
    # Infrastructure: says nothing about the object.
    ERROR = "error"
    # A gap that the suite declares, with its reason.
    SKIPPED = "skipped"


class CaseKey(NamedTuple):
    """The identity of a case on a kernel, within a run and from run to run."""

    kernel: str
    suite: str
    case: str

    def __str__(self) -> str:
        return f"{self.kernel} {self.suite}::{self.case}"


class Record(BaseModel):
    """Base of the frozen records in results.json."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        defer_build=True,
        # JSON has neither, and no clock shows them.
        allow_inf_nan=False,
    )


class ComparedValue(Record):
    """One expectation, with what was read in the guest."""

    subject: str
    """What was checked: "map tasks", "program on_fork", "value ${run.retval}"."""
    key: str = ""
    """The row's key, for maps."""
    field: str = ""
    """The member of the value that differs, if the value has members."""
    expected: str
    """The expected value for readers: JSON, or a matcher in words ("between 3 and
    9")."""
    observed: str
    """The observed value, in the same form."""

    @property
    def where(self) -> str:
        """Return "map tasks key 7 field pid"."""
        where = self.subject
        if self.key:
            where += f" key {self.key}"
        if self.field:
            where += f" field {self.field}"
        return where

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, observed {self.observed}"


class Mismatch(ComparedValue):
    """One expectation that was not met."""


class Match(ComparedValue):
    """One expectation that was met; long values are cut."""


class Printed(Record):
    """A command that a case ran in its guest: how it ended, and what it printed."""

    name: str
    """Its name in the suite: "command", "truth inode"."""
    argv: tuple[str, ...]
    """The command, with references resolved."""
    exit: int | None = None
    """Its exit status; null if a signal ended it."""
    signal: str = ""
    """The signal that ended it: "SIGSEGV"."""
    timed_out: bool = False
    """Whether it was killed because of its timeout."""
    stdout: str = ""
    """Its standard output: the first and the last 16 KiB, and between them how much is
    left out."""
    stderr: str = ""
    """The same for its standard error."""
    stdout_file: str = ""
    """The file in the reports folder with the full output; empty if it printed nothing,
    or the file could not be written."""
    stderr_file: str = ""
    """The same for its standard error."""
    truncated: bool = False
    """Whether it printed more of a stream than is kept: 2 MiB, or 1 GiB of a case's
    `command`. No file has the missing part."""

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.timed_out:
            return "killed because of its timeout"
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
    """The state of a program of a case's object."""

    name: str
    """Its name."""
    section: str = ""
    """Its section: "kprobe/wake_up_new_task"."""
    type: str = ""
    """libbpf's name of its type; empty if libbpf has none."""
    loaded: bool = False
    """Whether it was loaded."""
    attached: bool = False
    """Whether it was attached to something."""
    why: str = ""
    """Why it was not loaded, or not attached."""
    failure_class: str = ""
    """The class of the refusal, if the object was refused as a whole and each of its
    programs was then tried alone."""


Count = Annotated[int, Field(ge=0)]


class ProgramCost(Record):
    """What a program costs a kernel, to verify and to keep; null for what the kernel
    does not tell. The names are those of veristat and bpftool."""

    program: str
    """The program's name."""
    verified_insns: Count | None = None
    """Instructions that the verifier processed, on all paths. From 5.2 on, and on older
    kernels for a program that was refused."""
    insns_limit: Count | None = None
    """How many it may process: 1,000,000 from 5.2 on."""
    peak_states: Count | None = None
    """States that the verifier kept at the same time."""
    total_states: Count | None = None
    """States that the verifier kept at some time."""
    stack_depth: Count | None = None
    """Bytes of stack, of all of its functions together."""
    verification_usec: Count | None = None
    """Microseconds that the verifier took in the guest, which may run without KVM."""
    bytes_xlated: Count | None = None
    """Bytes of its instructions, as the kernel rewrote them."""
    bytes_jited: Count | None = None
    """Bytes of machine code; null without a JIT compiler."""
    bytes_memlock: Count | None = None
    """Bytes of memory, with the kernel's own structures."""

    @property
    def is_known(self) -> bool:
        """Whether the kernel told anything."""
        return any(value is not None for key, value in self if key != "program")

    @property
    def share(self) -> float | None:
        """The processed instructions, as a share of how many may be."""
        if self.verified_insns is None or not self.insns_limit:
            return None
        return self.verified_insns / self.insns_limit


class StructOpsState(Record):
    """The state of a struct_ops map of a case's object."""

    name: str
    """Its name."""
    registered: bool = False
    """Whether it was registered with the kernel."""
    why: str = ""
    """Why it was not registered."""


class RecordedCall(Record):
    """What a command gave to the kernel, read from its system call."""

    name: str = ""
    """Its name, at most 15 bytes; empty if the command gave none. Kernels before 4.15
    take no names."""
    type: str = ""
    """libbpf's name of its type ("kprobe", "ringbuf"), or a number that it does not
    know."""
    btf: bool = False
    """Whether it came with BTF."""
    process: str = ""
    """The name of the process that made the call."""
    pid: int = 0
    """The process's number in the guest."""
    error: str = ""
    """Why the kernel refused it: "EINVAL"; empty if it is in the kernel."""
    probe: bool = False
    """Whether it looks like a loader's test of what the kernel can do: tiny, without a
    name or with one that libraries use for that, and never attached."""
    count: int = 1
    """How often the same was done."""


class RecordedProgram(RecordedCall):
    """A program that a command loaded, or tried to load."""

    tag: str = ""
    """The kernel's checksum of its instructions; empty before 4.10, and if it was
    refused."""
    instructions: int = 0
    """The number of its instructions, as it was loaded."""
    target: str = ""
    """What it can only be attached to: "fentry/vfs_read"; empty for types that are
    attached to anything."""
    attached: tuple[str, ...] = ()
    """What it was attached to: "kprobe/do_unlinkat". A kind alone, "perf_event", if the
    rest is unknown; what goes over netlink (tc, XDP without a link) is not seen."""
    not_attached: tuple[str, ...] = ()
    """What it could not be attached to, and why: "kprobe/no_such: ENOENT"."""


class RecordedMap(RecordedCall):
    """A map that a command created, or tried to create."""

    key_size: int = 0
    """Bytes."""
    value_size: int = 0
    """Bytes."""
    max_entries: int = 0
    """The number of entries; of a ring buffer, its bytes."""


class LoadRecord(Record):
    """What the commands of a case loaded, with all that they started."""

    programs: tuple[RecordedProgram, ...] = ()
    """In the order in which they were loaded; the same ones once, with a count."""
    maps: tuple[RecordedMap, ...] = ()
    """The same for maps."""
    missing: tuple[str, ...] = ()
    """Why there may be more that is not listed; empty if all was seen."""


class RelocationDifference(Record):
    """A place where a loader relocated otherwise than libbpf."""

    access: str
    """What it is about: "task_struct.tgid"."""
    what: str = ""
    """libbpf's name of the kind of relocation: "byte_off"."""
    source: str = ""
    """The line of source, or the program and its instruction."""
    libbpf: str
    """What libbpf puts into the instruction; "poison" for what the kernel lacks."""
    loader: str
    """What this loader has put there, as the kernel got it."""
    wrong_offset: bool = False
    """Whether the program would read at another offset than with libbpf."""

    def __str__(self) -> str:
        wrong = ": wrong offset" if self.wrong_offset else ""
        return (
            f"{self.what} of {self.access} at {self.source}: libbpf {self.libbpf}, "
            f"this loader {self.loader}{wrong}"
        )


class Phases(Record):
    """The seconds that each part of a case took."""

    load: Seconds = 0.0
    """Opening, loading and attaching."""
    trigger: Seconds = 0.0
    """Triggers and truths."""
    check: Seconds = 0.0
    """Reading maps and programs, and checking them."""


class CaseId(Record):
    """A case on a kernel, by its names."""

    kernel: str
    """The kernel's id in the matrix."""
    suite: str
    """The suite's name; for a test in Python, the file's name without .py."""
    case: str
    """The case's name in the suite; for a test in Python, the function's name, with its
    class and its parameters, but without the kernel: "TestLoad::test_it[small]"."""
    was: tuple[str, ...] = ()
    """Its former names, as the suite lists them: "task::old_name"."""

    @property
    def key(self) -> CaseKey:
        """What the case is known by."""
        return CaseKey(self.kernel, self.suite, self.case)


class KnownFlaky(Record):
    """A failure that the list of known flaky cases has, which --flaky names."""

    owner: str
    """Who takes care of it."""
    until: date
    """The last day on which its failures do not count, in UTC."""
    reason: str = ""
    """What is known about it."""
    issue: str = ""
    """The address of its issue; may be empty."""
    ended: bool = False
    """Whether that day is over, so that the failure counts."""


class CaseVerdict(Record):
    """How a case ended, and what to do about it."""

    outcome: Outcome
    """Its outcome."""
    message: str = ""
    """The reason, in one or a few lines. If the case passed, it is empty, or says what
    was not attached."""
    failure_class: str = ""
    """The failure class ("wrong_value", "verifier_rejected", "kernel_panic", …)."""
    cure: str = ""
    """What you can do; may be empty."""
    source: str = ""
    """The line of source that was refused: "src/probe.bpf.c:37", relative to the folder
    where the run was started or to its repository; empty if it is not known."""
    mismatches: tuple[Mismatch, ...] = ()
    """Everything that was not as expected."""
    matches: tuple[Match, ...] = ()
    """What was as expected, with the values that were read; the first 20."""
    checked: int = 0
    """The number of expectations that were checked; a case that checked nothing is a
    failure."""
    not_available: tuple[str, ...] = ()
    """Expectations that can't be checked on this kernel, with the reason; not in
    `checked`."""
    console: str = ""
    """The console's last lines, if the guest was lost."""


class FoundRows(Record):
    """What a kernel gave for an expectation of `agree` or `record`."""

    expectation: int
    """The expectation's number in the case, from 0."""
    subject: str
    """What was compared: "map tasks"."""
    file: str = ""
    """The recorded rows, relative to the suite's folder; empty for `agree`."""
    rows: tuple[JsonValue, ...] = ()
    """The rows in their normal form, such as {"key": "${child.pid}", "value": 1}; at
    most the first 500."""
    left_out: int = 0
    """The number of rows that are not in `rows`."""
    sha256: str
    """The SHA-256 of all rows. Kernels agree if they have the same."""
    missing: tuple[str, ...] = ()
    """Keys of `show` that bpftool does not show on this kernel."""
    unnamed: dict[str, str] = {}
    """Paths of small numbers that equal a known one, which nothing says they are:
    {"key": "child.pid"}. Shown as advice if kernels differ there."""


class Agreement(Record):
    """What kernels are compared by, and what came of that."""

    found: tuple[FoundRows, ...] = ()
    """What this kernel gave."""
    case_sha256: str = ""
    """The SHA-256 of the case as the suite writes it: only the same ones are
    compared."""
    declared: str = ""
    """The suite's reason why this kernel does not agree; empty if it has none."""
    gap: bool = False
    """Whether `declared` is a gap of some kernels, and not of all."""
    own: CaseVerdict | None = None
    """How the case ended on this kernel alone, if the comparison changed that."""


class PredictedFinding(Record):
    """Where a program takes the kernel for something that it is not."""

    kind: str
    """What it is about: "argument_changed"; docs/preflight.md lists them."""
    effect: str
    """What comes of it: "not_loaded", "not_attached", "wrong_value" or "unknown"."""
    subject: str
    """What it is about, the same on all kernels: "vfs_unlink, argument 2"."""
    reason: str
    """What is wrong, in a sentence."""
    cure: str = ""
    """What to write instead."""
    program: str
    """The program or function that has the instruction."""
    source: str = ""
    """The line of source: "probe.bpf.c:12"; empty if it is not known."""
    accepted: bool = False
    """Whether the case's `accept` names it."""


class SourceExcerpt(Record):
    """The lines around the line of source that a failure is about."""

    first: int = Field(ge=1)
    """The number of the first line."""
    lines: tuple[str, ...]
    """At most 11 lines, each of at most 200 characters."""


_LOG_INCOMPLETE = (
    "not all of the kernel's log was seen, because it logged more than its log holds "
    "(`arguments: [log_buf_len=4M]` makes room), or because its guest no longer "
    "answered; what it reported was only seen if the console showed it"
)


class CaseResult(CaseVerdict, CaseId):
    """One case on one kernel."""

    description: str = ""
    """What the case shows, as its suite says; at most 500 characters."""
    excerpt: SourceExcerpt | None = None
    """The source around the line in `source`; null if there is none."""
    began: Annotated[float, Field(ge=0, le=1e11)] = 0.0
    """When it began: seconds since 1970, UTC; 0 if it did not run."""

    predicted: str = ""
    """Preflight's prediction: "loads", "rejected" or "crashes"; empty if there is
    none."""
    findings: tuple[PredictedFinding, ...] = ()
    """What preflight says that no relocation shows."""
    not_predicted: str = ""
    """Why preflight was asked, but made no prediction; otherwise empty."""
    not_known: tuple[str, ...] = ()
    """What the object needs, and nobody can tell without a boot whether the kernel has
    it: "attach target kprobe/do_unlinkat"."""
    loader: str = ""
    """The library that loaded the object, with its version: "cilium/ebpf 0.22.0"; empty
    for libbpf, whose version is the kernel result's `libbpf`."""
    relocated_otherwise: tuple[RelocationDifference, ...] = ()
    """Where the loader put something else than libbpf into an instruction."""
    log: str = ""
    """The full log of the loader's library and the verifier."""
    commands: tuple[Printed, ...] = ()
    """The commands that the case ran in its guest, in order; at most the last 100."""
    programs: tuple[ProgramState, ...] = ()
    """The object's programs, and whether they were loaded and attached."""
    cost: tuple[ProgramCost, ...] = ()
    """What each of them cost the kernel; also one that was refused, where the verifier
    says so."""
    struct_ops: tuple[StructOpsState, ...] = ()
    """The object's struct_ops maps, and whether they were registered."""
    recorded: LoadRecord | None = None
    """What the case's `command` loaded; null for other cases, and if nothing was
    recorded."""
    left_behind: tuple[str, ...] = ()
    """What it left in its guest when all that it started had ended: pins, programs,
    maps and links, as "/sys/fs/bpf/counts" and "map counts (hash)"."""
    log_incomplete: bool = False
    """Whether some of what the kernel logged during the case was not seen: it was more
    than its log holds, or the guest no longer answered. Then nobody knows if the kernel
    reported something that the console did not show."""
    agreement: Agreement | None = None
    """What kernels are compared by; null for cases without `agree` and `record`."""
    environment: dict[str, JsonValue] = {}
    """What its guest was besides a kernel with one processor, as `guest` of the
    kernel's row, the suite and the case say; see docs/environment.md."""
    object_path: str = ""
    """The path of the object, or its source, in the suite."""
    object_sha256: str = ""
    """The SHA-256 of the compiled object."""
    source_path: str = ""
    """The object's source, relative to the folder where the run was started."""
    duration: Seconds = 0.0
    """Seconds, without the boot of the guest."""
    phases: Phases = Phases()
    """The seconds that its parts took."""
    nodeid: str = ""
    """Its name in pytest."""
    guest_served: int = Field(default=0, ge=0)
    """How many other objects its guest had served, each after a proof that it was as at
    its start; 0 for a guest that nobody had used."""
    failed_in_used_guest: str = ""
    """What went wrong in a guest that had served other objects, if the case then passed
    in one that nobody had used, which counts. Something may have been left behind."""
    flaky: str = ""
    """Why there was a second try, if this is its outcome: the first lost its guest,
    timed out, or made a kernel report what a busy host explains as well."""
    known_flaky: KnownFlaky | None = None
    """The entry of --flaky that has this failure; null for other cases. The failure
    counts only if the entry has ended."""

    @property
    def used_guest_words(self) -> str:
        """What it did in a used guest only, in words; or nothing."""
        if not self.failed_in_used_guest:
            return ""
        return (
            f"{self.outcome} in a guest that nobody had used; failed in one that had "
            f"served other objects: {self.failed_in_used_guest}"
        )

    @property
    def left_words(self) -> str:
        """What it left in its guest, in words; or nothing."""
        left = ", ".join(self.left_behind)
        return f"left in its guest: {left}" if left else ""

    @property
    def log_words(self) -> str:
        """What nobody saw of the kernel's log, in words; or nothing."""
        return _LOG_INCOMPLETE if self.log_incomplete else ""

    @property
    def guest_words(self) -> str:
        """What its guest was, in words: "cpus: 2, cgroup: v1"; or nothing."""
        return ", ".join(f"{key}: {_word(it)}" for key, it in self.environment.items())

    @property
    def is_excused(self) -> bool:
        """Whether this is a failure of a known flaky case, which does not count."""
        return (
            self.outcome is Outcome.FAILED
            and self.known_flaky is not None
            and not self.known_flaky.ended
        )

    @property
    def source_line(self) -> int:
        """The line in `source_path` that the failure is about; 0 if nothing says."""
        file, _, line = self.source.rpartition(":")
        same = PurePosixPath(file).name == PurePosixPath(self.source_path).name
        return int(line) if same and line.isdecimal() else 0


class KernelRun(Record):
    """One kernel of a run: what was booted, and with which tools."""

    id: str
    """Its id in the matrix."""
    required: bool = True
    """Whether its failures count."""
    tags: tuple[str, ...] = ()
    """Its tags in the matrix."""
    arch: str = "x86_64"
    """Its architecture, as the matrix names it: "arm64"."""
    release: str = ""
    """The guest's `uname -r`; empty if the guest never came up."""
    image: str = ""
    """The origin of the image: "bookworm linux-image-6.1.0-44-cloud-amd64
    6.1.176-1"."""
    image_sha256: str = ""
    """The SHA-256 of the image that booted."""
    btf_source: str = ""
    """Where its BTF came from."""
    btf_sha256: str = ""
    """The SHA-256 of the BTF that objects were relocated against."""
    qemu: str = ""
    """QEMU's version."""
    accelerator: Literal["", "kvm", "tcg"] = ""
    """The accelerator; empty if the guest never came up."""
    workaround: str = ""
    """What was added to the kernel's command line because of a fault of QEMU, and why;
    otherwise empty."""
    qemu_command: str = ""
    """A shell command that boots the same machine, with its console on the terminal,
    where the cache has the same kernel. Nobody can log in, because the guest's keys are
    gone; add `rdinit=/bin/sh` after -append to get a shell."""
    libbpf: str = ""
    """The version of libbpf that loaded the objects."""
    libbpf_source: str = ""
    """The folder of --libbpf; empty for the system's libbpf."""
    libbpf_sha256: str = ""
    """The SHA-256 of that folder's files."""
    bpftool: str = ""
    """The version of bpftool that read maps and programs."""
    boots: tuple[Seconds, ...] = ()
    """Seconds from QEMU's start to the first SSH command that was answered; one for
    each boot."""
    restores: tuple[Seconds, ...] = ()
    """The same for guests that were restored from a snapshot; one for each guest."""
    timeout_scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """The largest factor that timeouts were multiplied by, because the machine was slow
    or --timeout-scale set it; 1 if they were not scaled."""
    notes: tuple[str, ...] = ()
    """Notes, such as why no snapshot could be used."""
    error: str = ""
    """Why the kernel never came up, so that none of its cases could run; otherwise
    empty."""
    cure: str = ""
    """What you can do about it."""
    console: str = ""
    """The console's last lines, if the kernel never came up."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, a workaround, and the factor of timeouts, if there are any."""
        notes = (*self.notes, *filter(None, [self.workaround]))
        if self.timeout_scale == 1:
            return notes
        scaled = f"timeouts were up to {self.timeout_scale:g} times as long as usual"
        return (*notes, scaled)


class ProgramUse(Record):
    """A program of an object, and what it needs from a kernel."""

    name: str
    """Its name."""
    section: str
    """Its section, which determines its type: "kprobe/wake_up_new_task"."""
    helpers: tuple[str, ...] = ()
    """The helpers that it calls, also in functions of the object."""


class MapUse(Record):
    """A map of an object."""

    name: str
    """Its name."""
    type: str
    """Its type: "hash"."""


class ObjectUse(Record):
    """What an object needs from a kernel, according to the object alone."""

    path: str
    """The path in the cases."""
    sha256: str
    """The SHA-256 of the compiled object."""
    programs: tuple[ProgramUse, ...] = ()
    """In the order of the object."""
    maps: tuple[MapUse, ...] = ()
    """In the order of the object."""


class Shard(Record):
    """The part of a run, if it was spread over several machines."""

    index: int = Field(ge=1)
    """Its number, from 1 on."""
    count: int = Field(ge=1)
    """The number of parts."""
    planned: tuple[str, ...]
    """The kernels of all parts, in the order of the matrix."""
    own: tuple[str, ...]
    """The kernels of this part."""

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class Selection(Record):
    """What was selected; the same for all parts of a run."""

    matrix_sha256: str = ""
    """The SHA-256 of the matrix, its lock, and kernels that the command line
    replaces."""
    suites_sha256: str = ""
    """The SHA-256 of the files of the suites and of the Python tests."""
    expression: str = ""
    """The expression of -k."""
    all_kernels: bool = False
    """Whether all kernels of the matrix were selected."""
    guest: tuple[str, ...] = ()
    """What --guest set, in its words: ["cpus=2"]."""


class PlannedCase(Record):
    """A case that a run planned."""

    suite: str
    """The suite's name."""
    case: str
    """The case's name in the suite."""
    kernels: tuple[str, ...]
    """The ids of the kernels that it runs on."""

    @classmethod
    def of(cls, keys: Iterable[CaseKey], more: Sequence[str] = ()) -> tuple[Self, ...]:
        """Return each case once, with its kernels and those that all have besides."""
        kernels: dict[tuple[str, str], dict[str, None]] = {}
        for key in keys:
            kernels.setdefault((key.suite, key.case), {})[key.kernel] = None
        return tuple(
            cls(suite=suite, case=case, kernels=(*on, *more))
            for (suite, case), on in kernels.items()
        )


class FailedTest(Record):
    """A Python test that runs on no kernel, and failed."""

    nodeid: str
    """Its name in pytest."""
    message: str = ""
    """The reason, in a few lines."""


class Provenance(Record):
    """What was tested, as git and the CI system say; empty where neither knows."""

    project: str = ""
    """The repository, "owner/name"; without a remote, its name in pyproject.toml, or
    that of its folder."""
    commit: str = ""
    """The commit that was checked out, as a full hash."""
    branch: str = ""
    """The branch; of a pull request, its own branch."""
    tag: str = ""
    """The tag of the commit, if it has one."""
    changed: bool = False
    """Whether files differ from the commit."""
    ci: str = ""
    """The CI system: "GitHub Actions"; empty outside of CI."""
    ci_run: str = ""
    """The address of the CI run: http or https."""


class RunResults(Record):
    """A whole run: the content of results.json."""

    schema_version: Literal[1] = SCHEMA_VERSION
    """The version of this format."""
    runner: str
    """The version of bpf-kernel-matrix."""
    started: str
    """The start time: RFC 3339, UTC."""
    duration: Seconds
    """Seconds."""
    planned: tuple[PlannedCase, ...] | None = None
    """The plan of the run, written before the first guest boots; null in files of
    versions before 0.2, which had no plan."""
    complete: bool = True
    """Whether every planned case has a result. An incomplete run has no verdict: it
    never passes a gate. Without a plan, the value in the file."""
    kernels: tuple[KernelRun, ...] = ()
    """In the order of the matrix."""
    cases: tuple[CaseResult, ...] = Field(default=())
    """In the order of the kernels, then of the suites."""
    failed_tests: tuple[FailedTest, ...] = ()
    """Python tests that run on no kernel and failed. They fail the run."""
    objects: tuple[ObjectUse, ...] = ()
    """The objects that were compiled or read, each once."""
    shard: Shard | None = None
    """The part of the run that this is, if it was spread over machines."""
    selection: Selection = Selection()
    """What was selected."""
    provenance: Provenance = Provenance()
    """What was tested: project, commit and CI run."""
    release: str = ""
    """The name of the release that was tested, as --release has it."""

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
        """Return a copy with other values.

        They may make it incomplete, but never complete by themselves: give `complete`
        for that, which the plan then decides on.
        """
        copy = super().model_copy(update=update, deep=deep)
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
        # Plain tuples, which a CaseKey equals: this is asked of each run that is read.
        done = {(it.kernel, it.suite, it.case) for it in self.cases}
        missing = (
            CaseKey(kernel, it.suite, it.case)
            for it in self.planned or ()
            for kernel in it.kernels
            if (kernel, it.suite, it.case) not in done
        )
        return tuple(dict.fromkeys(missing))

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

    `counts` says of a failed case whether it counts against the run. Those of known
    flaky cases never do.

    Kernels that are not required never fail a run. A run that was stopped, or that
    checked nothing, did not find the objects compatible.
    """
    optional = {kernel.id for kernel in results.kernels if not kernel.required}
    counting = [case for case in results.cases if case.kernel not in optional]
    if results.failed_tests or any(
        case.outcome is Outcome.FAILED and not case.is_excused and counts(case)
        for case in counting
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
    """Whether nothing ran that counts.

    Required kernels have declared gaps only, and failures of known flaky cases.
    """
    optional = {kernel.id for kernel in results.kernels if not kernel.required}
    return all(
        case.outcome is Outcome.SKIPPED or case.is_excused or case.kernel in optional
        for case in results.cases
    )


def _word(value: JsonValue) -> str:
    """Return a value as YAML would have it in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_word(it)}' for key, it in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_word, value))}]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)
