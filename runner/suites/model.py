"""suite.yaml: cases that load an object in a guest and compare what it read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    model_validator,
)

from runner.bpf.build import PLAIN, Build
from runner.facts.model import Presence
from runner.files.modelfile import FileEntry, Where
from runner.files.patternlist import ConsoleLines
from runner.matrix.environment import PLAIN as ANY_GUEST
from runner.matrix.environment import GuestEnvironment
from runner.suites import builds
from runner.suites.builds import Variants
from runner.suites.comparable import AgreeExpectation, RecordExpectation
from runner.suites.conditions import Choice, Condition, chosen
from runner.suites.known import KnownKernel
from runner.versions import KernelVersion, VersionRange, pick

FIELD_OF_TYPE = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
FIELD_AT = r"^([us](8|16|32|64)|char\[[1-9][0-9]{0,4}\])@[0-9]{1,6}$"
FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"
# As the ids of kernels.
SUITE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"

# Of a command: how its results are read, and whom it runs as.
RESULTS = r"^(exit|gotest|cargo|tap|gtest|auto|junit=/.+)$"
USER = r"^(root|nobody|[0-9]{1,9}(:[0-9]{1,9})?)$"
GUEST_PATH = r"^/"

# What the guest agent does itself, and programs of this project with other libraries.
AgentLoader = Literal["libbpf", "compat"]
OtherLoader = Literal["ebpf-go", "aya"]
Loader = Literal[AgentLoader, OtherLoader]
OTHER_LOADERS = get_args(OtherLoader)

# Text in which ${name.field} represents a value that was taken in the guest.
Template = str
# Names from before names were checked, too.
FormerName = Annotated[str, Field(min_length=1)]
ValueReference = Annotated[str, Field(pattern=r"\$\{[^}]+\}")]


def by_key(what: str, *keys: str) -> Discriminator:
    """Tell members of a union apart by the first of `keys` that is there.

    Their tags are not keys themselves: "map expectation".
    """

    def choose(data: object) -> str | None:
        if isinstance(data, BaseModel):
            present: Collection[str] = type(data).model_fields
        elif isinstance(data, dict):
            present = data
        else:
            return None
        return next((f"{key} {what}" for key in keys if key in present), None)

    return Discriminator(
        choose,
        custom_error_type="no_key",
        custom_error_message=f"needs one of the keys {', '.join(keys)}",
    )


# ---------------------------------------------------------------- triggers


class Fork(FileEntry):
    """Fork a child that sleeps until the case ends.

    Returns pid, tgid, ppid, comm, user_ns, thread_pointer.
    """

    fork: Annotated[str | None, Field(max_length=15)]
    """The child's comm, or null to keep the parent's."""
    spin: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Seconds of processor time that it spends before it sleeps."""
    save: Annotated[str, Field(pattern=NAME)] = "child"
    """Name for the child: ${child.pid} and so on."""


class Syscall(FileEntry):
    """Make a system call one or more times. Returns pid, tid, count, result."""

    syscall: Literal["getpgid", "getppid", "getpid", "getuid", "nanosleep", "openat"]
    """The call, made by the agent itself."""
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many times."""
    save: Annotated[str, Field(pattern=NAME)] = "syscall"
    """Name for its results: ${syscall.result} and so on."""


class Sleep(FileEntry):
    """Let the guest idle. Returns pid, slept_ns."""

    sleep: Annotated[float, Field(gt=0, le=60)]
    """Seconds."""
    save: Annotated[str, Field(pattern=NAME)] = "sleep"
    """Name for its results: ${sleep.slept_ns} and so on."""


class Udp(FileEntry):
    """Send UDP packets over the guest's loopback.

    Returns pid, bytes, source_port, port, sent, received; and, from getsockopt(),
    protocol, type, freebind, reuseport, no_check.
    """

    udp: Annotated[int, Field(ge=0, le=1400)]
    """The size of the payload in bytes."""
    port: Annotated[int, Field(ge=1, le=65535)] = 9
    """The port to send to. The agent receives the packets there."""
    times: Annotated[int, Field(ge=1, le=100_000)] = 1
    """How many packets."""
    ip: Literal[4, 6] = 4
    """The version of IP: packets go to 127.0.0.1 or to ::1."""
    received: bool = True
    """Whether somebody receives them. If not, the kernel drops each packet (no_socket)
    and answers with an ICMP packet; a port that is in use is then refused."""
    options: tuple[Literal["freebind", "reuseport", "no_check"], ...] = ()
    """Options to set on the sending socket: IP_FREEBIND and so on."""
    save: Annotated[str, Field(pattern=NAME)] = "udp"
    """Name for its results: ${udp.sent} and so on."""


class Tcp(FileEntry):
    """Make TCP connections over the guest's loopback, and end them.

    The agent is both sides: it listens, connects, accepts, sends, receives, and closes
    the client first. Returns pid, bytes, source_port (of the last client), port,
    connections, refused, received (bytes of all connections).
    """

    tcp: Annotated[int, Field(ge=0, le=16_384)]
    """The bytes that the client sends over each connection; 0 for none."""
    port: Annotated[int, Field(ge=1, le=65535)] = 9
    """The port to connect to."""
    times: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How many connections, one after the other."""
    ip: Literal[4, 6] = 4
    """The version of IP: connections are to 127.0.0.1 or to ::1."""
    accepted: bool = True
    """Whether somebody listens. If not, the kernel refuses each connection."""
    save: Annotated[str, Field(pattern=NAME)] = "tcp"
    """Name for its results: ${tcp.source_port} and so on."""


class Pipe(FileEntry):
    """Write to a pipe and ask the kernel about it with FIONREAD.

    Returns pid, size (F_GETPIPE_SZ), pages, writes, waiting (FIONREAD).
    """

    pipe: Annotated[int, Field(ge=1, le=4096)]
    """Bytes per write."""
    writes: Annotated[int, Field(ge=1, le=16)] = 1
    """How many writes; each uses a buffer of its own (O_DIRECT)."""
    save: Annotated[str, Field(pattern=NAME)] = "pipe"
    """Name for its results: ${pipe.waiting} and so on."""


ActName = Literal[
    "create",
    "write",
    "read",
    "truncate",
    "chmod",
    "rename",
    "exchange",
    "link",
    "mmap",
    "unlink",
    "mknod",
    "mkdir",
    "mount",
    "exec",
    "signal",
    "ptrace",
    "bpf",
]
# They are done to the file that "create" makes.
OF_FILE = frozenset(
    {
        *("write", "read", "truncate", "chmod", "rename", "exchange", "link", "mmap"),
        "unlink",
    }
)


class Act(FileEntry):
    """Let another process do things, in order.

    Returns pid, comm, done (how many); path and inode of its file; and target, the
    process that it started (exec), signalled or traced last.
    """

    act: Annotated[tuple[ActName, ...], Field(min_length=1, max_length=32)]
    """create makes a file in /run; write, read, truncate, chmod, rename, exchange (with
    another file), link, mmap and unlink are done to it. mknod makes another file with
    mknod(2) and removes it, mkdir a folder. mount mounts a tmpfs and unmounts it, exec
    runs /bin/true, signal kills a child by SIGUSR1, ptrace attaches to a child and
    detaches, bpf creates a map with bpf(2)."""
    comm: Annotated[str, Field(min_length=1, max_length=15)] = "actor"
    """The name of the process."""
    save: Annotated[str, Field(pattern=NAME)] = "act"
    """Name for its results: ${act.pid} and so on."""

    @model_validator(mode="after")
    def _has_its_file(self) -> "Act":
        for number, it in enumerate(self.act):
            if it in OF_FILE and "create" not in self.act[:number]:
                raise ValueError(f"{it!r} needs a file: write 'create' before it")
        return self


class Drain(FileEntry):
    """Read what programs sent through a ring buffer or a perf event array.

    Returns count, lost, and the size in bytes and the fields of the first record:
    ${drain.record.pid}. ${drain.records} are all of them.
    """

    drain: Annotated[str, Field(pattern=NAME)]
    """The map."""
    struct: Annotated[str, Field(pattern=NAME)] | None = None
    """The type of a record: the name of a struct in the object's BTF. A shorter record
    is padded with zeros. Give either this or `fields`."""
    fields: dict[str, Annotated[str, Field(pattern=FIELD_AT)]] = {}
    """Fields of a record, if the object's BTF does not have its struct, with types and
    offsets in bytes: {pid: s32@8, comm: "char[16]@40"}. The types are u8 to u64, s8 to
    s64 and char[N]."""
    where: dict[str, JsonValue] = {}
    """Count only records with these fields: {pid: "${child.pid}"}."""
    save: Annotated[str, Field(pattern=NAME)] = "drain"
    """Name for its results: ${drain.count} and so on."""


class Iterate(FileEntry):
    """Read what a BPF iterator prints. Returns text."""

    iterate: Annotated[str, Field(pattern=NAME)]
    """The program, whose section is iter/…"""
    save: Annotated[str, Field(pattern=NAME)] = "iterator"
    """Name for its output: ${iterator.text}."""


class Command(FileEntry):
    """Run a command in the guest. Returns pid, exit, stdout, stderr."""

    command: Annotated[tuple[Template, ...], Field(min_length=1)]
    """The argument vector; no shell is used."""
    env: dict[str, Template] = {}
    """Environment variables of the command, besides those of the guest."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Seconds until the command and its process group are killed, and the case ends as
    timed_out. In the background, it also limits the wait for a line that matches
    `until`, and for the end after `stop`. Slow machines wait longer automatically
    (docs/timeouts.md)."""
    exit: int = 0
    """The expected exit status; any other fails the case."""
    background: bool = False
    """Whether it keeps running, as a loader does, until everything is checked. `stop`
    then ends it, and `exit`, stdout and stderr are those of its end. pid is available
    at once."""
    until: Annotated[str, Field(min_length=1)] | None = None
    """In the background: wait until a line of its output matches this extended regular
    expression."""
    stop: Literal["TERM", "INT", "HUP", "USR1", "KILL"] = "TERM"
    """The signal that ends it in the background."""
    save: Annotated[str, Field(pattern=NAME)] = "command"
    """Name for its results: ${command.stdout} and so on."""


class TestRun(FileEntry):
    """Run a program with BPF_PROG_TEST_RUN. Returns retval, duration_ns, data, skb."""

    __test__ = False

    test_run: Annotated[str, Field(pattern=NAME)]
    """The program."""
    data: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2}\s*)+$")] = "00" * 64
    """The packet, in hexadecimal."""
    skb: dict[str, int] = {}
    """Fields of struct __sk_buff that the program starts with, such as mark."""
    repeat: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many times; data and context are those after the last time."""
    save: Annotated[str, Field(pattern=NAME)] = "run"
    """Name for its results: ${run.retval} and so on."""


Trigger = Annotated[
    Annotated[Fork, Tag("fork trigger")]
    | Annotated[Syscall, Tag("syscall trigger")]
    | Annotated[Sleep, Tag("sleep trigger")]
    | Annotated[Udp, Tag("udp trigger")]
    | Annotated[Tcp, Tag("tcp trigger")]
    | Annotated[Command, Tag("command trigger")]
    | Annotated[TestRun, Tag("test_run trigger")]
    | Annotated[Pipe, Tag("pipe trigger")]
    | Annotated[Act, Tag("act trigger")]
    | Annotated[Drain, Tag("drain trigger")]
    | Annotated[Iterate, Tag("iterate trigger")],
    by_key(
        "trigger",
        *("fork", "syscall", "sleep", "udp", "tcp", "command", "test_run"),
        *("pipe", "act", "drain", "iterate"),
    ),
]

# ------------------------------------------------------------------ truths


class Excerpt(FileEntry):
    """Which part of a text is the truth."""

    pattern: str | None = None
    """A regular expression; its first group is the value, or else the whole match."""
    field: Annotated[int, Field(ge=1)] | None = None
    """The n-th word, counted from 1. In /proc/PID/stat the comm is one word."""
    base: Literal[10, 16] = 10
    """The base that a number is written in."""


class ProcTruth(Excerpt):
    """A value of a file under /proc or /sys, read in the guest."""

    proc: Annotated[Template, Field(pattern=r"^/(proc|sys)/")]
    """The file, such as /proc/${child.pid}/stat."""
    line: str | None = None
    """Use the line that begins with this word and a colon; `field` counts after it."""


class CommandTruth(Excerpt):
    """The standard output of a command in the guest."""

    command: Annotated[tuple[Template, ...], Field(min_length=1)]
    """The argument vector; no shell is used."""


Truth = Annotated[
    Annotated[ProcTruth, Tag("proc truth")]
    | Annotated[CommandTruth, Tag("command truth")],
    by_key("truth", "proc", "command"),
]

# ------------------------------------------------------------ expectations


class Matcher(FileEntry):
    """How to check an observed value: exactly one of equals … matches."""

    equals: JsonValue = None
    """The value itself: a number, text, list, mapping or ${reference}."""
    within: Annotated[int, Field(ge=1)] | None = None
    """How far a number may be from `equals`, if the kernel itself is not exact."""
    between: tuple[int | Template, int | Template] | None = None
    """The lowest and the highest allowed value."""
    one_of: tuple[JsonValue, ...] | None = None
    """The allowed values."""
    matches: str | None = None
    """A regular expression that the whole text must match."""
    mask: int | None = None
    """A mask that is applied to the observed number first."""


class MapExpectation(Matcher):
    """A value in a map, as `bpftool map dump` shows it."""

    map: str
    """The map's name in the object."""
    inner: JsonValue = None
    """Of a map of maps: the key of the one in it that is meant. All else, such as
    `key`, is about that map."""
    key: JsonValue = None
    """The key as bpftool formats it: a number, or a mapping of the key's fields."""
    field: str | None = None
    """The path to a member of the value: pos.x, or values[2]."""
    cpu: int | Literal["sum", "any"] | None = None
    """For per-CPU maps: one CPU's value, the sum of all, or any value that matches."""
    raw: bool = False
    """Check the value's bytes, "0x01 0x00 …", instead of its formatted value."""


class RowsExpectation(FileEntry):
    """A map's rows, in any order."""

    map: str
    """The map's name in the object."""
    inner: JsonValue = None
    """Of a map of maps: the key of the one in it whose rows are meant."""
    rows: tuple[dict[Literal["key", "value"], JsonValue], ...]
    """The rows as bpftool formats them: {key: 1, value: {x: 2}}."""
    match: Literal["exactly", "includes"] = "exactly"
    """Whether the map may contain other rows, too."""


# What bpftool shows, and its name.
Subject = tuple[Literal["program", "map"], str]


class ShowExpectation(FileEntry):
    """What `bpftool prog show` or `bpftool map show` prints; other keys are ignored."""

    program: str | None = None
    """The program's name in the object; give either this or `map`."""
    map: str | None = None
    """The map's name in the object."""
    inner: JsonValue = None
    """Of a map of maps: the key of the one in it that is shown."""
    show: Annotated[dict[str, JsonValue], Field(min_length=1)]
    """Keys and values of bpftool's JSON: {type: kprobe}."""

    @property
    def subject(self) -> Subject:
        """What is shown."""
        if self.program is not None:
            return "program", self.program
        return "map", self.map or ""


class Instruction(FileEntry):
    """An instruction, identified by what it contains: exactly one of the keys."""

    offset_of: Annotated[str, Field(pattern=FIELD_OF_TYPE)] | None = None
    """The offset of a kernel field, in bytes: task_struct.thread.fsbase."""
    size_of: str | None = None
    """The size of a kernel type or field, in bytes: task_struct.comm."""
    map: str | None = None
    """The id of a loaded map, by its name in the object; not in `relocated`."""
    number: int | None = None
    """This number."""
    poison: Literal[True] | None = None
    """The poison that libbpf inserts for what the kernel lacks; not in `xlated`."""


class CodeExpectation(FileEntry):
    """Instructions of a program, in this order; others may be between them."""

    program: str
    """The program's name in the object."""
    xlated: Annotated[tuple[Instruction, ...], Field(min_length=1)] | None = None
    """Instructions as the kernel runs them, and `bpftool prog dump xlated` shows them
    (from 4.13 on). They must not contain poison."""
    relocated: Annotated[tuple[Instruction, ...], Field(min_length=1)] | None = None
    """Instructions as the loader passes them to the kernel; for ebpf-go and aya, they
    are recorded from 4.20 on."""


class ValueExpectation(Matcher):
    """A value that a trigger or a truth returned."""

    value: ValueReference
    """What to check, such as ${run.retval}."""


class LoadedThing(FileEntry):
    """A program or a map that a command loads, or must not load."""

    program: Annotated[str, Field(min_length=1)] | None = None
    """The program's name. Kernels keep 15 bytes of it. Give either this or `map`."""
    map: Annotated[str, Field(min_length=1)] | None = None
    """The map's name."""
    type: str | None = None
    """Its type, as libbpf names it: kprobe, tracing, ringbuf, perf_event_array. A type
    that no kernel has is a mistake."""
    attach: str | None = None
    """What the program was attached to: kprobe/do_unlinkat; or only the kind of place:
    fentry. A kind that no record has is a mistake."""
    tag: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    """The kernel's checksum of the program, as bpftool shows it."""
    present: bool = True
    """Whether it must be loaded. `false`: nothing like it may be loaded, but something
    else must."""

    @property
    def subject(self) -> "Subject":
        """What it is."""
        if self.program is not None:
            return "program", self.program
        return "map", self.map or ""


class LoadedExpectation(FileEntry):
    """What `command` loads, also if it has ended since."""

    loaded: LoadedThing
    """The program or map: {program: on_fentry, attach: fentry/vfs_read}."""


Expectation = Annotated[
    Annotated[AgreeExpectation, Tag("agree expectation")]
    | Annotated[RecordExpectation, Tag("record expectation")]
    | Annotated[LoadedExpectation, Tag("loaded expectation")]
    | Annotated[RowsExpectation, Tag("rows expectation")]
    | Annotated[ShowExpectation, Tag("show expectation")]
    | Annotated[CodeExpectation, Tag("xlated expectation")]
    | Annotated[CodeExpectation, Tag("relocated expectation")]
    | Annotated[ValueExpectation, Tag("value expectation")]
    | Annotated[MapExpectation, Tag("map expectation")],
    # In this order: rows and show may be next to map, and all next to agree.
    by_key(
        "expectation",
        *("agree", "record", "loaded", "rows", "show", "xlated", "relocated"),
        *("value", "map"),
    ),
]

# ------------------------------------------------------------------- cases


# Of enum bpf_prog_type, and flags of BPF_PROG_LOAD, as include/uapi/linux/bpf.h of 7.0
# has them.
ProgramType = Literal[
    "flow_dissector",
    "kprobe",
    "netfilter",
    "perf_event",
    "sched_act",
    "sched_cls",
    "sk_lookup",
    "socket_filter",
    "tracepoint",
    "xdp",
]
ProgramFlag = Literal[
    "BPF_F_STRICT_ALIGNMENT",
    "BPF_F_ANY_ALIGNMENT",
    "BPF_F_TEST_RND_HI32",
    "BPF_F_TEST_STATE_FREQ",
    "BPF_F_SLEEPABLE",
    "BPF_F_XDP_HAS_FRAGS",
    "BPF_F_XDP_DEV_BOUND_ONLY",
    "BPF_F_TEST_REG_INVARIANTS",
]

# runner.suites.attachplaces says which there are.
AttachPlace = Annotated[str, Field(min_length=1)]


class SwitchChoice(Choice[bool]):
    """Whether something is done, on kernels that have something."""


class PlaceChoice(Choice[AttachPlace]):
    """What a program is attached to, on kernels that have something."""


class LoaderChoice(Choice[Loader]):
    """What loads the object, on kernels that have something."""


# Different things for different kernels: by version range, {"<4.17": …, ">=4.17": …},
# or by what they have, the first that holds: [{needs: …, use: …}].
Switch = (
    bool
    | Annotated[dict[str, bool], Field(min_length=1)]
    | Annotated[tuple[SwitchChoice, ...], Field(min_length=1)]
)
_Set = TypeVar("_Set", bool, str, Loader)


def _on(
    table: Mapping[str, _Set] | Sequence[Choice[_Set]], kernel: KnownKernel
) -> _Set | None:
    """Return what a setting is on a kernel; None where nothing is said of it."""
    if not isinstance(table, Mapping):
        return chosen(table, kernel)
    return None if kernel.version is None else pick(table, kernel.version)


def _switched(switch: Switch, kernel: KnownKernel) -> bool:
    return switch if isinstance(switch, bool) else _on(switch, kernel) is not False


class Program(FileEntry):
    """How one program of the object is treated."""

    load: Switch = True
    """Whether it is loaded; if not, it is ignored. Or by version range, as a loader
    does with bpf_program__set_autoload(): {"<5.17": false}; or by what the kernel has:
    [{needs: {not: {map_type: ringbuf}}, use: false}]. On other kernels it is loaded."""
    attach: (
        bool
        | AttachPlace
        | Annotated[dict[str, AttachPlace], Field(min_length=1)]
        | Annotated[tuple[PlaceChoice, ...], Field(min_length=1)]
    ) = True
    """Whether it is attached, as its section says (socket filters never are). Or what
    to attach it to: kprobe/NAME, tc/lo/egress, cgroup/sys/fs/cgroup and so on; see
    "Where programs are attached". Or what to attach it to by version
    range, {"<4.17": kprobe/sys_getpgid}, or by what the kernel has, [{needs: {not:
    {ability: syscall_wrappers}}, use: kprobe/sys_getpgid}]; on other kernels as its
    section says."""

    type: ProgramType | None = None
    """Its type, where the libbpf that loads it does not know its section, as a loader
    sets it with bpf_program__set_type(): netfilter."""
    flags: tuple[ProgramFlag, ...] = ()
    """Flags that it is loaded with, besides those of its section:
    [BPF_F_STRICT_ALIGNMENT]."""

    def loads(self, kernel: KnownKernel) -> bool:
        """Return whether it is loaded on a kernel."""
        return _switched(self.load, kernel)

    @property
    def places(self) -> Iterator[tuple[Where, str]]:
        """All that it may be attached to, with where that stands below `attach`."""
        match self.attach:
            case str():
                yield (), self.attach
            case dict():
                yield from (((text,), place) for text, place in self.attach.items())
            case tuple():
                for number, it in enumerate(self.attach):
                    yield (number, "use"), it.use

    def place(self, kernel: KnownKernel) -> str | None:
        """Return where it is attached on a kernel; None for where its section says."""
        if isinstance(self.attach, bool):
            return None
        return self.attach if isinstance(self.attach, str) else _on(self.attach, kernel)


class Map(FileEntry):
    """What a loader sets for a map before it loads the object."""

    max_entries: Annotated[int, Field(ge=1, lt=1 << 32)] | None = None
    """The number of entries, for example if the object leaves it to its loader."""
    value_size: Annotated[int, Field(ge=1, lt=1 << 32)] | None = None
    """The size of a value in bytes: 8 for each frame in a stack trace map."""
    inner_map: str | None = None
    """Of a map of maps whose own map the object leaves to its loader: the map of the
    object that those in it are like, in type, sizes and flags."""
    create: Switch = True
    """Whether it is created. Or by version range, {"<5.8": false}, or by what the
    kernel has, [{needs: {not: {map_type: ringbuf}}, use: false}]; on other kernels it
    is created. Programs must not reach a map that is not created."""

    rows: tuple[dict[Literal["key", "value"], JsonValue], ...] = ()
    """Rows that are written into it after the object was loaded, and before anything is
    attached: [{key: "${agent.pid}", value: {mode: 1}}]. Values are written as those of
    `variables`."""
    attach: bool = True
    """Of a struct_ops map: whether it is registered with the kernel, so that the kernel
    calls its programs."""

    def creates(self, kernel: KnownKernel) -> bool:
        """Return whether it is created on a kernel."""
        return _switched(self.create, kernel)


class ExpectedFailure(FileEntry):
    """A failure that the suite expects."""

    kernels: str = ""
    """A version range; empty means every kernel."""
    needs: Condition | None = None
    """What a kernel has on which it fails: {not: {ability: bounded_loops}}."""
    failure_class: Annotated[
        str | Annotated[tuple[str, ...], Field(min_length=1)], Field(alias="class")
    ]
    """The failure's class, as reports show it in brackets. Several, if it depends on
    the libbpf that loads the object."""
    variants: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Which of the case's variants fail, by their names: [clang-19]. By default, all
    do."""
    reason: Annotated[str, Field(min_length=1)]
    """Why it fails there, for readers of the report."""

    def of_variant(self, name: str) -> bool:
        """Whether it is declared for a variant of the case."""
        return self.variants is None or name in self.variants

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it may have."""
        known = self.failure_class
        return (known,) if isinstance(known, str) else known

    @property
    def is_gap(self) -> bool:
        """Whether it is a gap of some kernels; on all, it is what the case is about."""
        return bool(self.kernels) or self.needs is not None

    def may_be_on(self, kernel: KnownKernel) -> bool:
        """Whether it is declared for a kernel, or may be once more is known of it."""
        if not _may_hold(self.kernels, kernel.version):
            return False
        return self.needs is None or (
            self.needs.on(kernel).presence is not Presence.ABSENT
        )

    def where(self) -> str:
        """Return where it is declared, in words; empty for all kernels."""
        words = [self.kernels, self.needs.words if self.needs else ""]
        return ", ".join(it for it in words if it)


class Extended(FileEntry):
    """A program of another object. Programs take the place of its functions."""

    object: Annotated[str, Field(min_length=1)]
    """The object, written as `object` of a case. All of it is loaded first, and nothing
    of it is attached."""
    program: Annotated[str, Field(pattern=NAME)]
    """Its program, which `test_run` runs by this name."""


class Case(FileEntry):
    """One object, its triggers, and what must then be in its maps."""

    name: Annotated[str, Field(pattern=NAME)]
    """Its name in reports and baselines, which show SUITE::NAME."""
    was: tuple[FormerName, ...] = ()
    """Former names of the case. For a case that was in another suite, the full name:
    [old_name, "maps::old_name"]. A baseline's case with such a name is compared with
    this one, and does not count as vanished."""
    description: str = ""
    """What it shows, for readers of the suite."""
    object: str = ""
    """A NAME.bpf.c that is compiled, or an object file. The path is relative to the
    suite's folder, and inside the repository. A case without an object has `files` that
    load something."""
    files: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Files, such as a loader and its object, for the guest's folder ${files.folder}:
    bin/loader is ${files.folder}/loader there. ${files.btf} is the kernel's BTF. Paths
    are written as those of `object`. With `command`, folders are copied, too, and
    PATH:GUESTPATH copies to an absolute path of the guest."""
    command: tuple[Template, ...] = ()
    """A program of your own with its arguments, in place of an object: a path relative
    to the suite's folder. It is copied into the guest with its shared libraries. A name
    that is not a file of the folder is a program of the guest. ${kernel.…} and
    ${files.…} are replaced, also in `env`; a shell's own ${NAME} is not."""
    results: Annotated[str, Field(pattern=RESULTS)] = "exit"
    """How the results of `command` are read. `exit`: status 0 passes. `gotest` (a
    binary of `go test -c`), `cargo` (of `cargo test --no-run`), `gtest`, `tap` and
    `junit=PATH` (a file in the guest): each test is a case CASE::TEST of its own.
    `auto` finds out which."""
    isolate: bool = False
    """Whether each test runs in a guest of its own."""
    env: dict[str, Template] = {}
    """Environment variables of the command."""
    stdin: Annotated[str, Field(min_length=1)] | None = None
    """The file that the command reads as its standard input, written as in `files`;
    empty otherwise."""
    timeout: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """Seconds until the command is killed, with its process group. Slow machines wait
    longer automatically (docs/timeouts.md)."""
    run_as: Annotated[str, Field(alias="as", pattern=USER)] = "root"
    """The user that the command runs as: root, nobody, UID or UID:GID."""
    cwd: Annotated[str, Field(pattern=GUEST_PATH)] = "/run/files"
    """The command's working directory in the guest. Its program and files are in
    /run/files."""
    record: bool = True
    """Whether what the command loads is recorded, for reports and for `expect`. It is
    traced for that with ptrace(2); `false` for a program that traces others itself."""
    root: Annotated[str, Field(min_length=1)] | None = None
    """A root file system that the command runs in: a folder, a tar or an OCI layout
    (FOLDER or FOLDER:TAG), written as in `files`, or an image REGISTRY/NAME:TAG. A
    program that is not a file of the suite's folder is then a program of the root."""
    headers: bool = False
    """Whether the root gets the kernel's headers (/lib/modules/RELEASE/build), which
    bcc needs, from the kernel's own source: for kernels of the source `debian`."""
    vmlinux: Annotated[str, Field(min_length=1)] | None = None
    """The id of a kernel in the matrix of the run, in the project's matrix.yaml, or in
    the built-in one; the source includes its types as vmlinux.h."""
    loader: (
        Loader
        | Annotated[dict[str, Loader], Field(min_length=1)]
        | Annotated[tuple[LoaderChoice, ...], Field(min_length=1)]
        | Annotated[tuple[Loader, ...], Field(min_length=1)]
    ) = "libbpf"
    """What loads the object: plain libbpf, as a user's loader would, libbpf with
    programs rewritten so that kernels from 4.4 on accept them (compat), or a loader
    that uses cilium/ebpf (ebpf-go) or Aya (aya); see docs/other-loaders.md. With a
    list, [libbpf, ebpf-go, aya], the case runs once with each, as NAME[LOADER]. Or by
    version range, {"<4.15": compat}, or by what the kernel has, [{needs: {not:
    {ability: dead_poison}}, use: compat}]; libbpf on other kernels."""
    btf: Annotated[str, Field(min_length=1)] | None = None
    """A file with BTF that the loader relocates the object against in place of the
    kernel's own, written as `object`, as libbpf's btf_custom_path does. All else is
    still looked up in the kernel's. Nothing is predicted of such a case."""
    extends: Extended | None = None
    """What programs with the section freplace/FUNCTION extend, as a loader sets it with
    bpf_program__set_attach_target(): {object: dispatcher.bpf.c, program: dispatch}."""
    variants: Variants = ()
    """Builds of the source. Each is a case of its own, NAME[VARIANT]: every combination
    of axes, {clang: [14, 19], mcpu: [v1, v3]}, or a list of single ones, [{clang: 14},
    {clang: 19, mcpu: v3}]. The default are those of the suite; [] is none."""
    programs: dict[str, Program] = {}
    """Settings of programs, by their names or by patterns such as on_*; all others are
    loaded and attached. A name counts more than a pattern, and a pattern more than
    those behind it."""
    only: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """The only programs that are loaded, by names or patterns: [on_exec, trace_*].
    Those in optional sections (SEC("?…")) are loaded, too, if they are among them."""
    guest: GuestEnvironment = ANY_GUEST
    """What its guest is like, where it matters: {cpus: 2}. It wins over `guest` of the
    suite and of the kernel's row, key by key; see docs/environment.md."""
    alternatives: tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...] = ()
    """Programs that a loader chooses from. Of each list, it loads the first one whose
    target the kernel has (a function, a tracepoint, a hook), or else the last one:
    [[on_fentry, on_kprobe]]."""
    maps: dict[str, Map] = {}
    """What to set for maps before the object is loaded, as its own loader does."""
    variables: dict[str, JsonValue] = {}
    """Values for global variables, set before the object is loaded, such as filters in
    .rodata: {wanted_pid: "${agent.pid}", comm: sleeper}. Use numbers, enumerators,
    text, lists and mappings of members; ${agent.…} and ${kernel.…} work, too."""
    kernels: str = ""
    """A version range; on other kernels the case is skipped with `reason`. A vendor's
    kernel counts by its upstream version there: 5.14.0-570.el9 is ">=5.14". Vendors'
    own numbers are "rhel>=9.4" or "ubuntu:5.15>=5.15.0-91"."""
    needs: Condition | None = None
    """What a kernel must have; without it the case is skipped, and the report says what
    is missing and where that was learnt: {map_type: ringbuf}. Prefer it to `kernels`:
    vendors take features back to older versions."""
    config: tuple[Annotated[str, Field(pattern=r"^CONFIG_\w+=.+$")], ...] = ()
    """Required lines of the kernel's configuration; without them the case is skipped,
    as with `kernels`: [CONFIG_BPF_LSM=y]."""
    reason: str = ""
    """Why it does not apply to other kernels."""
    attach: bool = True
    """Whether programs are attached; false for a case that only tests loading. It
    overrides `programs`."""
    each_program: bool = False
    """Whether, if the kernel refuses the object, each program is loaded and attached
    alone, so that the report says which are refused, and why; as with --object."""
    must_attach: bool = False
    """Whether it fails if no program of the object was attached, as with --object."""
    must_run: bool = True
    """Whether it fails if no program of the object ran; false for a case that only
    tests loading."""
    accept: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Warnings of `check` that are meant: a kind, argument_changed, or a name with
    patterns, "argument_changed:vfs_unlink, argument *". Reports leave them out."""
    expect_failure: ExpectedFailure | None = None
    """A known failure; the case fails if it does not happen."""
    trigger: tuple[Trigger, ...] = ()
    """What to do in the guest after the programs are attached, in order."""
    truth: dict[str, Truth] = {}
    """What the guest itself says, taken after the triggers: ${truth.NAME}."""
    expect: tuple[Expectation, ...] = ()
    """What must be true; a case without any expectation fails."""

    @property
    def build(self) -> Build:
        """How its source is compiled."""
        # Several make a case of each: `runner.suites.variants`.
        (variant,) = builds.listed(self.variants)[:1] or (None,)
        return PLAIN if variant is None else variant.build

    @property
    def user(self) -> tuple[int, int] | None:
        """The numbers of the command's user and group; None for root."""
        uid, _, gid = {"root": "0", "nobody": "65534"}.get(
            self.run_as, self.run_as
        ).partition(":")
        return (int(uid), int(gid or uid)) if int(uid) else None

    def runs_extended(self, trigger: Trigger) -> bool:
        """Whether a trigger runs what the object extends, and not the object."""
        return (
            self.extends is not None
            and isinstance(trigger, TestRun)
            and trigger.test_run == self.extends.program
        )

    def loader_on(self, kernel: KnownKernel) -> Loader:
        """Return what loads the object on a kernel."""
        if isinstance(self.loader, str):
            return self.loader
        if isinstance(self.loader, dict):
            return _on(self.loader, kernel) or "libbpf"
        for it in self.loader:
            if isinstance(it, str):
                # A list makes a case of each: `runner.suites.variants`.
                return it
        choices = [it for it in self.loader if isinstance(it, LoaderChoice)]
        return _on(choices, kernel) or "libbpf"

    def gap_on(self, kernel: KnownKernel) -> str:
        """Return why the case does not run on a kernel; nothing where it does.

        What is not known yet keeps no case from running.
        """
        missing = self._missing(kernel)
        return (
            f"needs {missing}{': ' if self.reason else ''}{self.reason}"
            if (missing)
            else ""
        )

    def _missing(self, kernel: KnownKernel) -> str:
        if not _may_hold(self.kernels, kernel.version):
            return self.kernels
        lines = (kernel.config or "").splitlines()
        missing = [line for line in self.config if line not in lines]
        if lines and missing:
            return ", ".join(missing)
        held = self.needs.on(kernel) if self.needs else None
        return str(held) if held and held.presence is Presence.ABSENT else ""

    def waits_for_boot(self, kernel: KnownKernel) -> bool:
        """Whether a kernel must be booted to know whether the case runs there."""
        return kernel.facts is None and self.needs is not None and self.needs.is_probed

    @property
    def options(self) -> tuple[str, ...]:
        """The options of kernels' configurations that it names, each once."""
        lines = [line.partition("=")[0] for line in self.config]
        needed = self.needs.options if self.needs else ()
        return tuple(dict.fromkeys([*lines, *needed]))

    def where(self) -> str:
        """Return where it runs, in words; empty for all kernels."""
        words = [self.kernels, *self.config, self.needs.words if self.needs else ""]
        return ", ".join(it for it in words if it)

    def failure_on(self, kernel: KnownKernel) -> ExpectedFailure | None:
        """Return the failure that the case declares for a kernel."""
        declared = self.expect_failure
        return declared if declared is not None and declared.may_be_on(kernel) else None


def _may_hold(range_: str, version: KernelVersion | None) -> bool:
    """Whether a version is in a range, or may be because it is not known."""
    return not range_ or version is None or VersionRange.parse(range_).may_hold(version)


class Suite(FileEntry):
    """A whole suite file."""

    name: Annotated[str, Field(pattern=SUITE_NAME)] | None = None
    """Its name in reports and baselines. The default is the name of the folder, or
    `suite` at the top of a repository, because that folder has another name in each
    clone."""
    was: tuple[FormerName, ...] = ()
    """Former names of the suite; see `was` of a case."""
    description: Annotated[str, Field(min_length=1)]
    """What the suite checks."""
    reuse: Literal["object", "proven", "suite"] = "object"
    """Which cases share a guest. `object`: those of an object. `proven`: those of the
    next object, too, if a census shows the guest as it was at its start;
    docs/snapshots.md says what it does not show. `suite`: all of the suite. Without
    snapshots one guest serves the whole kernel."""
    guest: GuestEnvironment = ANY_GUEST
    """What the guests of its cases are like; see `guest` of a case."""
    splats: ConsoleLines = ConsoleLines()
    """Lines on a kernel's console that fail a case, and lines that do not, besides
    those of images/splats.yaml and of the kernel's row."""
    variants: Variants = ()
    """Builds of each source of the suite; see `variants` of a case."""
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]
    """The cases, in the order in which they run."""
