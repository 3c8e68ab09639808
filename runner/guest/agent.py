"""The guest agent's client: requests and replies, a JSON object a line.

The agent itself is images/agent. It runs as root in the guest, where objects under test
can do what they like, so that nothing it says is taken on trust: a reply of another
shape than expected loses the session.

A crash of the agent, such as libbpf 1.1 dying of a damaged object while it loads it, is
an `AgentLost` like the guest's own end. Damage that libbpf dies of while it opens an
object is noticed by the agent and an `AgentError`.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)

from runner import timeouts
from runner.arch.model import ByteOrder
from runner.deadline import Deadline
from runner.errors import GuestError, RunnerError
from runner.guest.bpfcalls import BpfCall
from runner.guest.loads import Seen
from runner.matrix.environment import User
from runner.timeouts import USUAL, Pace

_SHOWN = 200
# MOST_MS in images/agent/command.c: what it takes for a command at most.
_MOST_MS = 24 * 3600 * 1000
# Bytes of a stream that a command may print until its middle is left out: a guest under
# TCG sends about a megabyte in a second, and control characters take six times as much.
MOST_PRINTED = 2 << 20
# Bytes of a file that go over the channel at once.
_PART = 1 << 20
# The most that the agent keeps, which dumps of maps may need.
MOST_OUTPUT = 16 << 20

LoaderName = Literal["libbpf", "compat"]
SyscallName = Literal["getpgid", "getppid", "getpid", "getuid", "nanosleep", "openat"]


class AgentError(RunnerError):
    """The agent could not do what it was asked for; the session goes on."""

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        errno_name: str | None = None,
        log: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        # "open", "load", "attach", …
        self.operation = operation
        # "EINVAL", "LIBBPF_ERRNO__FORMAT", or None when no system call failed.
        self.errno_name = errno_name
        # All that libbpf printed during the operation, the verifier's log included.
        self.log = log
        # What else was refused, by its names, if one refusal represents several.
        self.also: tuple[str, ...] = ()
        # Where a program was to be attached; empty for where its section says.
        self.place = ""


class AgentLost(GuestError):  # noqa: N818
    """The agent is gone, did not answer in time, or answered what can't be.

    Its cause is "gone", "no_answer", "unreachable" or "lost".
    """

    def __init__(
        self,
        message: str,
        *,
        cause: str = "lost",
        operation: str = "",
        seconds: float = 0.0,
    ) -> None:
        super().__init__(message, cause=cause)
        # What it was asked for: "load", "run", …
        self.operation = operation
        # How long it was waited for, if it did not answer.
        self.seconds = seconds


class Unreachable(TimeoutError):  # noqa: N818
    """A guest that is waited for does not answer on SSH either."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing came for {seconds:.0f} s")
        self.seconds = seconds


class Window(Protocol):
    """Memory that this process writes and the guest reads."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    def write(self, data: bytes) -> None:
        """Put bytes at its start."""


class Channel(Protocol):
    """The agent's standard input and output."""

    def send(self, data: bytes) -> None:
        """Send all of `data`. Raises OSError or EOFError when nobody is there."""

    def receive_line(self, deadline: Deadline) -> bytes:
        """Return the next line without its end.

        Raises EOFError when the other side closed, TimeoutError at the deadline,
        Unreachable earlier if the other side's machine shows no sign of life, and
        OSError when the connection broke.
        """


# ----------------------------------------------------------------- replies


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


class _Adopted(AgentReply):
    handle: _Pid
    programs: tuple[ProgramInfo, ...]
    maps: tuple[MapInfo, ...]
    log: str


class _Functions(AgentReply):
    functions: str


class _Targets(AgentReply):
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


class _Instructions(AgentReply):
    instructions: _Base64


class Attached(AgentReply):
    """What became of an attach."""

    # False for a program whose section says no place to be attached to, such as a
    # socket filter.
    attached: bool
    log: str


class _Registered(AgentReply):
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


class _Printed(AgentReply):
    stream: Literal["stdout", "stderr"]
    data: _Base64


class _Recorded(AgentReply):
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


class _Settled(AgentReply):
    # Bytes.
    cleared: _Count


class _Runs(AgentReply):
    programs: tuple[ProgramRuns, ...]


class _Text(AgentReply):
    text: str
    truncated: bool = False


class _Fault(AgentReply):
    message: str
    errno: _Errno | None


class _Failure(AgentReply):
    error: _Fault
    log: str


_Reply = TypeVar("_Reply", bound=AgentReply)


# ---------------------------------------------------------------- settings


@dataclass(frozen=True, kw_only=True)
class MapSettings:
    """What is set of a map; None leaves it as it is."""

    max_entries: int | None = None
    # Bytes.
    value_size: int | None = None
    create: bool = True
    # The map of the object that the maps in it are like.
    inner_map: str | None = None


@dataclass(frozen=True, kw_only=True)
class FilledRow:
    """A row that a loader writes, as bytes."""

    key: bytes
    value: bytes


@dataclass(frozen=True, kw_only=True)
class ObjectSettings:
    """What a loader sets of an object between opening and loading it, by names."""

    # Whether programs are loaded.
    load: Mapping[str, bool] = field(default_factory=dict)
    # What programs attach to that is looked up when they load: "fentry/vfs_read".
    targets: Mapping[str, str] = field(default_factory=dict)
    # Types of programs whose sections libbpf does not know, and what they are loaded to
    # be attached to: numbers of the kernel's, 0 for none.
    types: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    # Flags of BPF_PROG_LOAD that are set, by programs.
    flags: Mapping[str, int] = field(default_factory=dict)
    # What programs extend: the handle of an object that is loaded, and its program.
    extends: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    maps: Mapping[str, MapSettings] = field(default_factory=dict)
    # Bytes of global variables.
    variables: Mapping[str, bytes] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the arguments that tell the agent."""
        tables: tuple[Mapping[str, object], ...] = (
            *(self.load, self.targets, self.types, self.flags, self.extends),
        )
        programs = {
            name: {
                "load": self.load.get(name),
                "target": self.targets.get(name),
                "type": self.types.get(name, (None, None))[0],
                "attach_type": self.types.get(name, (None, None))[1],
                "flags": self.flags.get(name),
                "extends": self._extended(name),
            }
            for name in dict.fromkeys(name for table in tables for name in table)
        }
        return {
            "programs": {name: _given(it) for name, it in programs.items()},
            "maps": {name: _given(asdict(it)) for name, it in self.maps.items()},
            "variables": {name: _encoded(it) for name, it in self.variables.items()},
        }

    def _extended(self, name: str) -> JsonValue:
        if name not in self.extends:
            return None
        handle, program = self.extends[name]
        return {"handle": handle, "program": program}


def _given(values: Mapping[str, JsonValue]) -> JsonValue:
    return {name: value for name, value in values.items() if value is not None}


# ----------------------------------------------------------------- session


class AgentSession:
    """A conversation with an agent; every `timeout` is in seconds of a usual machine.

    `pace` makes them longer where the machine is slow.

    Methods raise AgentError when the agent says no, and AgentLost when it does not
    answer by its deadline; from then on they all raise AgentLost at once, for a late
    answer can't be told from the next one.
    """

    def __init__(
        self, channel: Channel, pace: Pace = USUAL, window: Window | None = None
    ) -> None:
        """`window` is the guest's, for files that are too large for the channel."""
        self._channel = channel
        self._pace = pace
        self._window = window
        self._last_id = 0
        self._lost = ""
        # Gets every command that `run` ran, and how it ended.
        self.watcher: Callable[[Sequence[str], CommandOutput], None] | None = None

    # ------------------------------------------------------------- guest

    def hello(self, *, timeout: float) -> Hello:
        """Return what the agent and its guest are."""
        return self._ask(Hello, "hello", timeout)

    def put(
        self,
        path: PurePosixPath | str,
        data: bytes,
        *,
        mode: int = 0o600,
        timeout: float,
    ) -> None:
        """Write a file, whole or not at all, below /run/agent/ in the guest."""
        self._ask(
            AgentReply, "put", timeout, path=str(path), data=_encoded(data), mode=mode
        )

    def copy(
        self,
        source: Path,
        path: PurePosixPath | str,
        *,
        mode: int = 0o600,
        root: PurePosixPath | None = None,
        timeout: float,
    ) -> None:
        """Write a file of any size to an absolute path, whole or not at all.

        The path begins at `root`, the guest's own by default. `timeout` is for each
        part of it. Raises OSError when `source` can't be read.
        """
        with source.open("rb") as stream:
            at, part = 0, stream.read(self._part)
            while True:
                following = stream.read(self._part)
                self._append(
                    str(path),
                    part,
                    timeout=timeout,
                    at=at,
                    mode=mode,
                    last=int(not following),
                    root=root,
                )
                if not following:
                    return
                at, part = at + len(part), following

    @property
    def _part(self) -> int:
        return _PART if self._window is None else self._window.size

    def _append(
        self,
        path: str,
        data: bytes,
        *,
        timeout: float,
        at: int,
        mode: int,
        last: int,
        root: PurePosixPath | None,
    ) -> None:
        whole: dict[str, Any] = {"path": path, "mode": mode, **_root(root)}
        if self._window is not None:
            self._window.write(data)
            try:
                self._ask(
                    AgentReply,
                    "append",
                    timeout,
                    size=len(data),
                    at=at,
                    last=last,
                    **whole,
                )
                return
            except AgentError as error:
                if at or error.errno_name == "ENOSPC":
                    raise
                # Its kernel lets nobody look through it.
                self._window = None
        for start in range(0, max(1, len(data)), _PART):
            part = data[start : start + _PART]
            is_end = start + _PART >= len(data)
            self._ask(
                AgentReply,
                "append",
                timeout,
                data=_encoded(part),
                at=at + start,
                last=last and int(is_end),
                **whole,
            )

    def read(
        self,
        path: PurePosixPath | str,
        *,
        limit: int = 1 << 20,
        root: PurePosixPath | None = None,
        timeout: float,
    ) -> str:
        """Return a file's text. A file of more than `limit` bytes is an AgentError."""
        found = self._ask(
            _Text,
            "read",
            timeout,
            path=str(path),
            max=limit,
            **_root(root),
        )
        if found.truncated:
            raise AgentError(f"{path} is larger than {limit} bytes", operation="read")
        return found.text

    # ----------------------------------------------------------- objects

    def open(
        self,
        data: bytes,
        *,
        name: str,
        btf: PurePosixPath | str | None = None,
        settings: ObjectSettings | None = None,
        loader: LoaderName = "libbpf",
        user: User | None = None,
        timeout: float,
    ) -> OpenedObject:
        """Open an object by its bytes, for the `user` who will load it.

        `btf` is a file in the guest with BTF to relocate against in place of the
        kernel's. A name in `settings` that the object lacks is an AgentError. With the
        `loader` "compat" programs will be rewritten for old kernels before they load.
        """
        return self._ask(
            OpenedObject,
            "open",
            timeout,
            name=name,
            btf=None if btf is None else str(btf),
            loader=loader,
            object=_encoded(data),
            token=True if user is not None and user.token is not None else None,
            **(settings or ObjectSettings()).as_json(),
        )

    def has_targets(self, places: Sequence[str], *, timeout: float) -> tuple[bool, ...]:
        """Return of each place, written as a section, whether the kernel has it.

        Places of a kind that nothing is known of, such as "xdp", are there.
        """
        found = self._ask(_Targets, "there", timeout, places=[*places]).there
        if len(found) != len(places):
            raise self._loss(f"returned {len(found)} answers for {len(places)} targets")
        return found

    def functions(self, *, timeout: float) -> str:
        """Return functions that programs can't just attach to under their names.

        A line for each, as images/agent/functions.h explains them.
        """
        return self._ask(_Functions, "functions", timeout).functions

    def bpf(
        self,
        calls: Sequence[BpfCall],
        *,
        timeout: float,
        byte_order: ByteOrder = "little",
    ) -> BpfAnswers:
        """Make calls of bpf(2), and return how they ended; nothing of them stays.

        `byte_order` is the guest's.
        """
        wanted: list[JsonValue] = [it.as_json(byte_order) for it in calls]
        found = self._ask(BpfAnswers, "bpf", timeout, calls=wanted)
        if len(found.answers) != len(calls):
            raise self._loss(
                f"returned {len(found.answers)} answers for {len(calls)} calls"
            )
        return found

    def load(
        self,
        handle: int,
        *,
        log_level: int = 0,
        user: User | None = None,
        timeout: float,
    ) -> LoadedObject:
        """Load an object's programs and maps into the kernel, by default as root.

        A `log_level` above 0 puts the verifier's log into `log` for programs that load
        too; for those that do not it is always there.
        """
        return self._ask(
            LoadedObject,
            "load",
            timeout,
            known={"handle": handle},
            handle=handle,
            log_level=log_level,
            user=_as_json(user),
        )

    def adopt(
        self, programs: Sequence[NamedId], maps: Sequence[NamedId], *, timeout: float
    ) -> LoadedObject:
        """Take over what another loader has loaded, for all that needs a handle.

        Only that loader can attach its programs. The agent keeps them loaded until the
        object is closed. Needs 4.13, which gave programs and maps their ids.
        """
        found = self._ask(
            _Adopted,
            "adopt",
            timeout,
            programs=[it.model_dump() for it in programs],
            maps=[it.model_dump() for it in maps],
        )
        return LoadedObject.model_validate(found.model_dump())

    def instructions(self, handle: int, program: str, *, timeout: float) -> bytes:
        """Return a loaded program's instructions as libbpf relocated them.

        They are what plain libbpf hands to the kernel; the loader "compat" rewrites
        them once more. Of an adopted object they are what its loader handed to the
        kernel, which is known from 4.20 on.
        """
        return self._ask(
            _Instructions, "instructions", timeout, handle=handle, program=program
        ).instructions

    def attach(
        self,
        handle: int,
        program: str,
        target: str | None = None,
        *,
        user: User | None = None,
        timeout: float,
    ) -> Attached:
        """Attach a program as its section says, or to `target`, written as a section.

        The agent holds the link; `user` makes it, by default root.
        """
        return self._ask(
            Attached,
            "attach",
            timeout,
            handle=handle,
            program=program,
            target=target,
            user=_as_json(user),
        )

    def fill(
        self, handle: int, name: str, rows: Sequence[FilledRow], *, timeout: float
    ) -> None:
        """Write rows into a map; each processor of a per-CPU map gets the same."""
        written: list[JsonValue] = [
            {"key": _encoded(it.key), "value": _encoded(it.value)} for it in rows
        ]
        self._ask(AgentReply, "fill", timeout, handle=handle, map=name, rows=written)

    def register(
        self, handle: int, name: str, *, user: User | None = None, timeout: float
    ) -> str:
        """Register a struct_ops map with the kernel, and return libbpf's words.

        The agent holds what libbpf attached (bpf_map__attach_struct_ops()); `user`
        does it, by default root.
        """
        return self._ask(
            _Registered,
            "register",
            timeout,
            handle=handle,
            map=name,
            user=_as_json(user),
        ).log

    def detach(
        self, handle: int, program: str | None = None, *, timeout: float
    ) -> None:
        """Detach a program, or all of the object; one that is not attached is none."""
        self._ask(AgentReply, "detach", timeout, handle=handle, program=program)

    def close_object(self, handle: int, *, timeout: float) -> None:
        """Detach, unload and forget an object."""
        self._ask(AgentReply, "close", timeout, handle=handle)

    def test_run(
        self,
        handle: int,
        program: str,
        *,
        data: bytes,
        context: bytes | None = None,
        repeat: int = 1,
        timeout: float,
    ) -> TestRunOutput:
        """Run a program by BPF_PROG_TEST_RUN (4.12).

        `data` is the packet and `context` the struct that the program starts with, such
        as a struct __sk_buff.
        """
        return self._ask(
            TestRunOutput,
            "test_run",
            timeout,
            handle=handle,
            program=program,
            data=_encoded(data),
            ctx=None if context is None else _encoded(context),
            repeat=repeat,
        )

    def dump(self, handle: int, map_: str, *, timeout: float) -> RawDump:
        """Return a map's rows and their types; works from 4.4 on."""
        return self._ask(RawDump, "dump", timeout, handle=handle, map=map_)

    def runs(self, handle: int, *, timeout: float) -> tuple[ProgramRuns, ...]:
        """Return how often each program ran."""
        return self._ask(_Runs, "runs", timeout, handle=handle).programs

    def listen(self, handle: int, map_: str, *, timeout: float) -> None:
        """Listen to a ring buffer or a perf event array, for `drain`."""
        self._ask(AgentReply, "listen", timeout, handle=handle, map=map_)

    def drain(self, handle: int, map_: str, *, timeout: float) -> Drained:
        """Return what came through a map that is listened to."""
        return self._ask(Drained, "drain", timeout, handle=handle, map=map_)

    def iterate(self, handle: int, program: str, *, timeout: float) -> str:
        """Return what an iterator that is attached prints."""
        found = self._ask(_Text, "iterate", timeout, handle=handle, program=program)
        return found.text

    # ---------------------------------------------------------- triggers

    def fork(
        self, comm: str | None = None, *, spin: float = 0.0, timeout: float
    ) -> Forked:
        """Fork a child and return once it sleeps; `comm` has at most 15 bytes.

        Before it sleeps it keeps its processor busy for `spin` seconds.
        """
        return self._ask(Forked, "fork", timeout, comm=comm, spin=spin)

    def release(self, pid: int | None = None, *, timeout: float) -> None:
        """End a child that was forked, or all that forks and commands left behind."""
        self._ask(AgentReply, "release", timeout, pid=pid)

    def syscall(
        self, name: SyscallName, times: int = 1, *, timeout: float
    ) -> SyscallsMade:
        """Make a system call a number of times."""
        return self._ask(SyscallsMade, "syscall", timeout, name=name, times=times)

    def sleep(self, seconds: float, *, timeout: float) -> Slept:
        """Let the guest idle."""
        return self._ask(Slept, "sleep", timeout, seconds=seconds)

    def udp(
        self,
        size: int,
        *,
        port: int,
        times: int = 1,
        ip: int = 4,
        received: bool = True,
        options: Sequence[str] = (),
        timeout: float,
    ) -> PacketsSent:
        """Send UDP packets of `size` bytes over the guest's loopback.

        If they are not to be received, the kernel drops each, and answers with an ICMP
        packet.
        """
        return self._ask(
            PacketsSent,
            "udp",
            timeout,
            bytes=size,
            port=port,
            times=times,
            ip=ip,
            received=received,
            options=[*options],
        )

    def tcp(
        self,
        size: int,
        *,
        port: int,
        times: int = 1,
        ip: int = 4,
        accepted: bool = True,
        timeout: float,
    ) -> ConnectionsMade:
        """Make TCP connections over the guest's loopback, each carries `size` bytes.

        If they are not to be accepted, nobody listens, and the kernel refuses each.
        """
        return self._ask(
            ConnectionsMade,
            "tcp",
            timeout,
            bytes=size,
            port=port,
            times=times,
            ip=ip,
            accepted=accepted,
        )

    def pipe(self, size: int, *, writes: int, timeout: float) -> PipeFilled:
        """Write `size` bytes to a pipe, a number of times, and ask of it."""
        return self._ask(PipeFilled, "pipe", timeout, bytes=size, writes=writes)

    def act(self, acts: Sequence[str], *, comm: str = "actor", timeout: float) -> Acted:
        """Let a process called `comm` do things in order; see images/agent/acts.c."""
        return self._ask(Acted, "act", timeout, acts=[*acts], comm=comm)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        most_output: int = MOST_PRINTED,
        root: PurePosixPath | None = None,
        timeout: float,
    ) -> CommandOutput:
        """Run a command in the guest until it ends, or `timeout` seconds.

        `CommandOutput.seconds` is how long that was on this machine.

        It starts with the agent's environment and what `environment` adds. Whatever its
        exit status, that is no error; a program that can't be executed is. Of each
        stream up to `most_output` bytes are kept, of its start and its end. Its root is
        `root`, the guest's own by default.
        """
        scale = self._pace.scale
        output = self._ask(
            CommandOutput,
            "run",
            timeout + timeouts.KILL.seconds,
            scale=scale,
            known={"seconds": timeout * scale},
            argv=[*argv],
            stdin=None if stdin is None else _encoded(stdin),
            env={**(environment or {})},
            timeout_ms=min(max(1, round(timeout * scale * 1000)), _MOST_MS),
            most_output=most_output,
            **_root(root),
        )
        if self.watcher is not None:
            self.watcher(argv, output)
        return output

    def stream(
        self,
        argv: Sequence[str],
        *,
        show: Callable[[str, bytes], None],
        stdin: PurePosixPath | None = None,
        environment: Mapping[str, str] | None = None,
        folder: PurePosixPath | None = None,
        user: tuple[int, int] | None = None,
        record: Callable[[Seen], None] | None = None,
        hold: Sequence[str] = (),
        root: PurePosixPath | None = None,
        timeout: float,
    ) -> CommandEnd:
        """Run a command as `run` does, and show what it prints as it comes.

        `show` gets "stdout" or "stderr", and bytes. `stdin` is a file of the guest,
        `folder` the working directory in `root`, and `user` a user and a group by
        number. `record` gets what the command and all that it starts load and attach;
        without it, nobody traces them. Maps with the names in `hold` then
        stay until `release`.
        """
        scale = self._pace.scale
        uid, gid = (None, None) if user is None else user
        return self._ask(
            CommandEnd,
            "run",
            timeout + timeouts.KILL.seconds,
            scale=scale,
            known={"seconds": timeout * scale},
            events=_Events(show=show, record=record or _ignore),
            argv=[*argv],
            stream=1,
            record=int(record is not None),
            hold=[*hold],
            stdin_path=None if stdin is None else str(stdin),
            env={**(environment or {})},
            cwd=None if folder is None else str(folder),
            uid=uid,
            gid=gid,
            **_root(root),
            timeout_ms=min(max(1, round(timeout * scale * 1000)), _MOST_MS),
        )

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Keep commands that nobody but this program asked for from the watcher."""
        watcher, self.watcher = self.watcher, None
        try:
            yield
        finally:
            self.watcher = watcher

    # --------------------------------------------------------- snapshots

    def census(self, *, sysctls: bool = False, timeout: float) -> Census:
        """Return what there is in the guest, to compare it with its start."""
        return self._ask(Census, "census", timeout, sysctls=int(sysctls))

    def begin_case(self, *, timeout: float) -> None:
        """Let `traces` return only what comes from now on."""
        self._ask(AgentReply, "aftermath", timeout, begin=1)

    def traces(self, *, timeout: float) -> CaseTraces:
        """Return what was logged since this was last asked for, and what is left.

        Left is what the kernel has of BPF and had not at the last `begin_case`. Of
        kernels before 4.13 only pins are known, and before 5.8 no links.
        """
        return self._ask(CaseTraces, "aftermath", timeout)

    def settle(self, *, most: int, timeout: float) -> int:
        """Fill free memory with zeroes, which take no room in a saved state.

        Return how many bytes it was, at most `most`.
        """
        return self._ask(_Settled, "settle", timeout, most=most).cleared

    def wake(self, *, time_ns: int, entropy: bytes, timeout: float) -> None:
        """Set the guest's clock, and reseed its random numbers.

        `time_ns` is since the epoch.
        """
        self._ask(
            AgentReply, "wake", timeout, time_ns=time_ns, entropy=_encoded(entropy)
        )

    # ------------------------------------------------------------- lines

    def _ask(
        self,
        shape: type[_Reply],
        operation: str,
        timeout: float,
        *,
        known: Mapping[str, JsonValue] | None = None,
        scale: float | None = None,
        events: "_Events | None" = None,
        **arguments: JsonValue,
    ) -> _Reply:
        """Send a request and return its reply, completed by what is `known`."""
        if self._lost:
            raise AgentLost(
                f"{operation} was not requested, because {self._lost}",
                operation=operation,
            )
        self._last_id += 1
        request = {"id": self._last_id, "op": operation, **arguments}
        patience = timeout * (self._pace.scale if scale is None else scale)
        text = json.dumps(request).encode()
        line = self._exchange(operation, text, patience)
        reply = self._parse(operation, line)
        while events is not None and "ok" not in reply:
            self._take(operation, line, reply, events)
            # What it prints takes its own time to come.
            line = self._exchange(operation, b"", patience)
            reply = self._parse(operation, line)
        try:
            if reply.get("ok") is True:
                return shape.model_validate({**reply, **(known or {})})
            failure = _Failure.model_validate(reply)
        except ValidationError as error:
            raise self._loss(f"answered {operation} with {_shown(line)}") from error
        raise AgentError(
            failure.error.message,
            operation=operation,
            errno_name=failure.error.errno,
            log=failure.log,
        )

    def _exchange(self, operation: str, request: bytes, timeout: float) -> bytes:
        try:
            if request:
                self._channel.send(request + b"\n")
            return self._channel.receive_line(Deadline.after(timeout))
        except Unreachable as error:
            raise self._loss(
                f"did not answer {operation} for {error.seconds:.0f} s",
                cause="unreachable",
                operation=operation,
                seconds=error.seconds,
            ) from error
        except TimeoutError as error:
            late = f"did not answer {operation} within {timeout:g} s"
            raise self._loss(
                late, cause="no_answer", operation=operation, seconds=timeout
            ) from error
        except (OSError, EOFError) as error:
            gone = f"disconnected during {operation}"
            raise self._loss(gone, cause="gone", operation=operation) from error
        except KeyboardInterrupt:
            # It may be at work for long still, and nobody waits for what comes then.
            self._loss(f"was interrupted during {operation}")
            raise

    def _take(
        self,
        operation: str,
        line: bytes,
        event: Mapping[str, JsonValue],
        events: "_Events",
    ) -> None:
        try:
            shape = _Recorded if "record" in event else _Printed
            found = shape.model_validate(event)
        except ValidationError as error:
            raise self._loss(f"answered {operation} with {_shown(line)}") from error
        try:
            events.take(found)
        except BaseException:
            # More comes, and nobody waits for it.
            self._loss(f"was interrupted during {operation}")
            raise

    def _parse(self, operation: str, line: bytes) -> dict[str, JsonValue]:
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._loss(
                f"did not answer {operation} with JSON: {_shown(line)}"
            ) from error
        if isinstance(reply, dict):
            # A request that the agent could not parse has no id for it.
            refused = reply.get("ok") is False and reply.get("id") is None
            if refused or reply.get("id") == self._last_id:
                return reply
        raise self._loss(f"answered another request, not {operation}: {_shown(line)}")

    def _loss(
        self,
        what: str,
        *,
        cause: str = "lost",
        operation: str = "",
        seconds: float = 0.0,
    ) -> AgentLost:
        self._lost = f"the agent {what}"
        return AgentLost(self._lost, cause=cause, operation=operation, seconds=seconds)


@dataclass(frozen=True, kw_only=True)
class _Events:
    """Who gets what a command does while it runs."""

    show: Callable[[str, bytes], None]
    record: Callable[[Seen], None]

    def take(self, event: _Printed | _Recorded) -> None:
        match event:
            case _Printed():
                self.show(event.stream, event.data)
            case _Recorded():
                self.record(event.record)


def _ignore(seen: Seen) -> None:
    pass


def _root(root: PurePosixPath | None) -> dict[str, Any]:
    """Return the argument for another root than the guest's own."""
    return {} if root is None else {"root": str(root)}


def _as_json(user: User | None) -> JsonValue:
    if user is None:
        return None
    found: dict[str, JsonValue] = {
        "uid": user.uid,
        "capabilities": f"{user.mask:x}",
    }
    if user.namespace:
        found["apart"] = True
    if user.token is not None:
        found["delegated"] = dict(user.token.options)
    return found


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _shown(line: bytes) -> str:
    return repr(line[:_SHOWN])
