"""What the agent answers: the shapes of its replies, and nothing of how they come.

What has another shape is a pydantic ValidationError: objects under test run beside the
agent as root, so that nothing it says is taken on trust.
"""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from runner.guest.loads import Seen


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error


_Base64 = Annotated[bytes, BeforeValidator(_decoded)]
_Count = Annotated[int, Field(ge=0)]
_Pid = Annotated[int, Field(ge=1)]
_Errno = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]+$")]


class AgentReply(BaseModel):
    """Base of what the agent says; alone, it says only that something is done."""

    # Built when it is first needed, once: that takes longer than the agent's answer.
    # Lax, because JSON has no tuples and no bytes.
    model_config = ConfigDict(frozen=True, defer_build=True, populate_by_name=True)


class Hello(AgentReply):
    """What the agent and its guest are."""

    # The agent's own version.
    agent: str
    # "1.1": libbpf does not tell its patch level.
    libbpf: str
    # uname -r and uname -m.
    release: str
    machine: str
    pid: _Pid
    # Ticks a second in /proc/PID/stat.
    clk_tck: _Pid
    # Possible CPUs: as many values has a row of a per-CPU map.
    cpus: _Pid
    # Bytes.
    page_size: _Pid
    # Nanoseconds: a jiffy, by the resolution of the kernel's coarse clock.
    tick_ns: _Pid


class OpenedProgram(AgentReply):
    """A program of an object that is open."""

    name: str
    # "kprobe/wake_up_new_task"
    section: str
    # As libbpf names it, "socket_filter"; None for a type that it has no name for.
    type: str | None
    # Whether it will be loaded.
    load: bool


class OpenedMap(AgentReply):
    """A map that an object declares."""

    name: str
    type: str | None
    # Bytes.
    key_size: _Count
    value_size: _Count
    max_entries: _Count


class OpenedObject(AgentReply):
    """An object that libbpf has read and not yet loaded."""

    handle: _Pid
    programs: tuple[OpenedProgram, ...]
    maps: tuple[OpenedMap, ...]
    log: str


class ProgramInfo(AgentReply):
    """A program in the kernel."""

    name: str
    type: str | None
    # None below 4.13, which can't tell.
    id: int | None
    # As libbpf loaded it, before the kernel rewrote it.
    instructions: _Count
    # What it takes in the kernel, in bytes: rewritten, compiled, and with the kernel's
    # own structures; None for what the kernel does not tell.
    bytes_xlated: int | None = None
    bytes_jited: int | None = None
    bytes_memlock: int | None = None
    # Instructions that the verifier processed: from 5.16 on.
    verified_insns: int | None = None


class MapInfo(OpenedMap):
    """A map in the kernel."""

    # None below 4.13, which can't tell.
    id: int | None


class LoadedObject(AgentReply):
    """What of an object is in the kernel: programs that were left out are not here."""

    # As the agent was asked; 0 for what another loader loaded.
    handle: _Count
    programs: tuple[ProgramInfo, ...]
    maps: tuple[MapInfo, ...]
    log: str


class NamedId(AgentReply):
    """A program or a map of an object, and what the kernel calls it."""

    name: str
    id: _Pid


class AdoptedReply(AgentReply):
    """What was taken over from another loader."""

    handle: _Pid
    programs: tuple[ProgramInfo, ...]
    maps: tuple[MapInfo, ...]
    log: str


class FunctionsReply(AgentReply):
    """Names of functions."""

    functions: str


class TargetsReply(AgentReply):
    """Whether places are there, in the order of the question."""

    there: tuple[bool, ...]


class BpfAnswer(AgentReply):
    """How a call of bpf(2) ended."""

    done: bool
    # Its name, or its number where it has none; None for a call that was done.
    errno: str | None
    # The end of the verifier's log.
    log: str


class BpfAnswers(AgentReply):
    """How calls of bpf(2) ended."""

    answers: tuple[BpfAnswer, ...]
    duration_us: int


class InstructionsReply(AgentReply):
    """A program's instructions."""

    instructions: _Base64


class Attached(AgentReply):
    """What became of an attach."""

    # False for a program whose section says no place to be attached to, such as a
    # socket filter.
    attached: bool
    log: str


class RegisteredReply(AgentReply):
    """What became of a map of struct_ops."""

    log: str


class TestRunOutput(AgentReply):
    """What BPF_PROG_TEST_RUN gave."""

    __test__ = False

    retval: int
    # Of one run, averaged by the kernel.
    duration_ns: _Count
    # The packet after the run; empty for programs that take none.
    data: Annotated[_Base64, Field(validation_alias="data_out")]
    # The context after the run; empty when none was given.
    context: Annotated[_Base64, Field(validation_alias="ctx_out")]
    log: str


class RawRow(AgentReply):
    """A row of a map, as bytes."""

    key: _Base64
    # None for per-CPU maps.
    value: _Base64 | None = None
    # A value for each possible CPU; empty for other maps.
    values: tuple[_Base64, ...] = ()
    # Why the value can't be read, as strerror() says it; such a row has none.
    error: str = ""


class RawDump(AgentReply):
    """A map's rows as bytes, with what types they are."""

    # In the kernel's order.
    rows: tuple[RawRow, ...]
    # IDs in the object's BTF; 0 when the object declares none.
    key_type: Annotated[_Count, Field(validation_alias="btf_key_type")]
    value_type: Annotated[_Count, Field(validation_alias="btf_value_type")]


class Forked(AgentReply):
    """A child that sleeps, in state S, until it is released."""

    pid: _Pid
    tgid: _Pid
    ppid: _Pid
    comm: str
    # Nanoseconds outside of the kernel, as the kernel counts them: task_struct.utime.
    user_ns: _Count
    # The base of the segment fs on x86.
    thread_pointer: _Count


class SyscallsMade(AgentReply):
    """System calls that the agent made."""

    pid: _Pid
    tid: _Pid
    count: _Count
    # The last one's.
    result: int


class Slept(AgentReply):
    """A time for which the agent did nothing."""

    pid: _Pid
    slept_ns: _Count


class PacketsSent(AgentReply):
    """UDP packets that went over the guest's loopback."""

    pid: _Pid
    # Of each one's payload.
    bytes: _Count
    source_port: _Count
    port: _Count
    sent: _Count
    # How many a socket of the guest received.
    received: _Count = 0
    # What getsockopt() says about the sender; None where the kernel does not.
    protocol: int | None = None
    type: int | None = None
    freebind: int | None = None
    reuseport: int | None = None
    no_check: int | None = None


class ConnectionsMade(AgentReply):
    """TCP connections over the guest's loopback, from the agent to itself."""

    pid: _Pid
    # That each one carries.
    bytes: _Count
    # Of the last one's client.
    source_port: _Count
    port: _Count
    connections: _Count
    # Attempts that the kernel refused, because nobody listened.
    refused: _Count
    # Bytes that arrived, of all connections.
    received: _Count


class PipeFilled(AgentReply):
    """A pipe that was written to and not read."""

    pid: _Pid
    # Bytes, by F_GETPIPE_SZ, and the same in pages.
    size: _Count
    pages: _Count
    writes: _Count
    # Bytes, by FIONREAD.
    waiting: _Count


class Acted(AgentReply):
    """What another process did."""

    pid: _Pid
    comm: str
    # Its file, as it was called last, and that file's inode; 0 for none.
    path: str
    inode: _Count
    # The process that it started, signalled or traced last; 0 for none.
    target: _Count
    # How many acts.
    done: _Count


class ProgramRuns(AgentReply):
    """How often a program ran since it was loaded."""

    name: str
    # None before 5.1, where the kernel was not told to count, and for a program that
    # may sleep where the kernel does not count those.
    runs: _Count | None


class Drained(AgentReply):
    """What programs sent since it was asked for last."""

    records: tuple[_Base64, ...]
    lost: _Count


class CommandOutput(AgentReply):
    """How a command ended, and what it printed."""

    pid: _Pid
    # None when a signal ended it.
    exit: int | None
    # "SIGKILL", or None.
    signal: str | None
    # It was killed, with its process group, when its time was over.
    timed_out: bool
    # Bytes that are no UTF-8 are U+FFFD.
    stdout: str
    stderr: str
    # One of them was longer than what is kept: its start and its end, with a line
    # between them that says how much is left out.
    truncated: bool
    duration_ms: _Count
    # How long it was allowed to run, on this machine.
    seconds: float = 0.0


class LeftProcess(AgentReply):
    """A process that a command has left running."""

    pid: _Pid
    name: str
    # Whether it left the command's session, as daemons do.
    daemon: bool


class CommandEnd(AgentReply):
    """How a command ended whose output was shown as it came."""

    pid: _Pid
    # None when a signal ended it.
    exit: int | None
    # "SIGKILL", or None.
    signal: str | None
    # It was killed, with its process group, when its time was over.
    timed_out: bool
    duration_ms: _Count
    left: tuple[LeftProcess, ...] = ()
    # How long it was allowed to run, on this machine.
    seconds: float = 0.0


class PrintedEvent(AgentReply):
    """What a command printed, while it runs."""

    stream: Literal["stdout", "stderr"]
    data: _Base64


class RecordedEvent(AgentReply):
    """What a command loaded or attached, while it runs."""

    record: Seen


class Census(AgentReply):
    """What there is in a guest; images/agent/census.c has the parts."""

    # None for what the kernel does not tell.
    parts: dict[str, tuple[str, ...] | None]
    available_kib: _Count


class LeftObject(AgentReply):
    """A program, a map or a link in the kernel."""

    kind: Literal["program", "map", "link"]
    id: _Pid
    # As the kernel keeps it, at most 15 bytes; a link's is its program's.
    name: str
    # As libbpf names it: "kprobe"; None for a type that it has no name for.
    type: str | None
    # The id of the program; of a link, its program's. 0 for a map.
    program: _Count

    def __str__(self) -> str:
        of = f" of {self.name}" if self.kind == "link" and self.name else ""
        name = "" if self.kind == "link" else f" {self.name or f'with id {self.id}'}"
        return f"{self.kind}{name}{f' ({self.type})' if self.type else ''}{of}"


class CaseTraces(AgentReply):
    """What a case has left in the kernel, and in its log."""

    # As /dev/kmsg has them (Documentation/ABI/testing/dev-kmsg), of the levels that the
    # guest's console was to show; None where it can't be read.
    records: tuple[str, ...] | None
    # Whether the kernel overwrote some before they were read.
    incomplete: bool
    # What there was not before.
    objects: tuple[LeftObject, ...]
    # Paths below /sys/fs/bpf.
    pins: tuple[str, ...]


class SettledReply(AgentReply):
    """How much memory was filled."""

    # Bytes.
    cleared: _Count


class RunsReply(AgentReply):
    """How often programs ran."""

    programs: tuple[ProgramRuns, ...]


class TextReply(AgentReply):
    """A text, which may be cut."""

    text: str
    truncated: bool = False


class _Fault(AgentReply):
    message: str
    errno: _Errno | None


class FailureReply(AgentReply):
    """The agent's no."""

    error: _Fault
    log: str
