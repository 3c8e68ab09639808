"""The guest agent's client: requests and replies, a JSON object a line.

The agent itself is images/agent. It runs as root in the guest, where objects under test
can do what they like, so that nothing it says is taken on trust: a reply of another
shape than expected loses the session.

A crash of the agent, such as libbpf 1.1 dying of a damaged object while it loads it, is
an `AgentLost` like the guest's own end. Damage that libbpf dies of while it opens an
object is noticed by the agent and an `AgentError`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol

from pydantic import JsonValue

from runner import timeouts
from runner.arch.model import ByteOrder
from runner.guest.agenterrors import AgentError
from runner.guest.bpfcalls import BpfCall
from runner.guest.exchange import AgentExchange, Channel, Listener, encoded
from runner.guest.loads import Seen
from runner.guest.objectsettings import FilledRow, ObjectSettings
from runner.guest.replies import (
    Acted,
    AdoptedReply,
    AgentReply,
    Attached,
    BpfAnswers,
    CaseTraces,
    Census,
    CommandEnd,
    CommandOutput,
    ConnectionsMade,
    Drained,
    Forked,
    FunctionsReply,
    Hello,
    InstructionsReply,
    LoadedObject,
    NamedId,
    OpenedObject,
    PacketsSent,
    PipeFilled,
    ProgramRuns,
    RawDump,
    RegisteredReply,
    RunsReply,
    SettledReply,
    Slept,
    SyscallsMade,
    TargetsReply,
    TestRunOutput,
    TextReply,
)
from runner.matrix.environment import User
from runner.timeouts import USUAL, Pace

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


class Window(Protocol):
    """Memory that this process writes and the guest reads."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    def write(self, data: bytes) -> None:
        """Put bytes at its start."""


class AgentSession(AgentExchange):
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
        super().__init__(channel, pace)
        self._window = window
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
            AgentReply, "put", timeout, path=str(path), data=encoded(data), mode=mode
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
                data=encoded(part),
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
            TextReply,
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
            object=encoded(data),
            token=True if user is not None and user.token is not None else None,
            **(settings or ObjectSettings()).as_json(),
        )

    def has_targets(self, places: Sequence[str], *, timeout: float) -> tuple[bool, ...]:
        """Return of each place, written as a section, whether the kernel has it.

        Places of a kind that nothing is known of, such as "xdp", are there.
        """
        found = self._ask(TargetsReply, "there", timeout, places=[*places]).there
        if len(found) != len(places):
            raise self._loss(f"returned {len(found)} answers for {len(places)} targets")
        return found

    def functions(self, *, timeout: float) -> str:
        """Return functions that programs can't just attach to under their names.

        A line for each, as images/agent/functions.h explains them.
        """
        return self._ask(FunctionsReply, "functions", timeout).functions

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
            AdoptedReply,
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
            InstructionsReply, "instructions", timeout, handle=handle, program=program
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
            {"key": encoded(it.key), "value": encoded(it.value)} for it in rows
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
            RegisteredReply,
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
            data=encoded(data),
            ctx=None if context is None else encoded(context),
            repeat=repeat,
        )

    def dump(self, handle: int, map_: str, *, timeout: float) -> RawDump:
        """Return a map's rows and their types; works from 4.4 on."""
        return self._ask(RawDump, "dump", timeout, handle=handle, map=map_)

    def runs(self, handle: int, *, timeout: float) -> tuple[ProgramRuns, ...]:
        """Return how often each program ran."""
        return self._ask(RunsReply, "runs", timeout, handle=handle).programs

    def listen(self, handle: int, map_: str, *, timeout: float) -> None:
        """Listen to a ring buffer or a perf event array, for `drain`."""
        self._ask(AgentReply, "listen", timeout, handle=handle, map=map_)

    def drain(self, handle: int, map_: str, *, timeout: float) -> Drained:
        """Return what came through a map that is listened to."""
        return self._ask(Drained, "drain", timeout, handle=handle, map=map_)

    def iterate(self, handle: int, program: str, *, timeout: float) -> str:
        """Return what an iterator that is attached prints."""
        found = self._ask(TextReply, "iterate", timeout, handle=handle, program=program)
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
            stdin=None if stdin is None else encoded(stdin),
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
            events=Listener(show=show, record=record or _ignore),
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
        return self._ask(SettledReply, "settle", timeout, most=most).cleared

    def wake(self, *, time_ns: int, entropy: bytes, timeout: float) -> None:
        """Set the guest's clock, and reseed its random numbers.

        `time_ns` is since the epoch.
        """
        self._ask(
            AgentReply, "wake", timeout, time_ns=time_ns, entropy=encoded(entropy)
        )


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
