"""suite.yaml: cases that load an object in a guest and compare what it read."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BaseModel, Discriminator, Field, JsonValue, Tag

from runner.files.modelfile import FileEntry
from runner.versions import KernelVersion, pick

FIELD_OF_TYPE = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
FIELD_AT = r"^([us](8|16|32|64)|char\[[1-9][0-9]{0,4}\])@[0-9]{1,6}$"
FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"
# As the ids of kernels.
SUITE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"

Loader = Literal["libbpf", "compat"]

# Text in which ${name.field} stands for a value that was taken in the guest.
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

    Gives pid, tgid, ppid, comm, user_ns, thread_pointer.
    """

    fork: Annotated[str | None, Field(max_length=15)]
    """The child's comm, or null to leave it as it is."""
    spin: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Seconds for which it keeps its processor busy before it sleeps."""
    save: Annotated[str, Field(pattern=NAME)] = "child"
    """Refer to the child as ${child.pid} and so on."""


class Syscall(FileEntry):
    """Make a system call a number of times. Gives pid, tid, count, result."""

    syscall: Literal["getpgid", "getppid", "getpid", "getuid", "nanosleep", "openat"]
    """The call, made by the agent itself."""
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How often."""
    save: Annotated[str, Field(pattern=NAME)] = "syscall"
    """Refer to what it gives as ${syscall.result} and so on."""


class Sleep(FileEntry):
    """Let the guest idle. Gives pid, slept_ns."""

    sleep: Annotated[float, Field(gt=0, le=60)]
    """Seconds."""
    save: Annotated[str, Field(pattern=NAME)] = "sleep"
    """Refer to what it gives as ${sleep.slept_ns} and so on."""


class Udp(FileEntry):
    """Send UDP packets over the guest's loopback.

    Gives pid, bytes, source_port, port, sent; and what getsockopt() tells of the
    socket: protocol, type, freebind, reuseport, no_check.
    """

    udp: Annotated[int, Field(ge=0, le=1400)]
    """The payload's size in bytes."""
    port: Annotated[int, Field(ge=1, le=65535)] = 9
    """Where to; nobody needs to listen."""
    times: Annotated[int, Field(ge=1, le=100_000)] = 1
    """How many packets."""
    options: tuple[Literal["freebind", "reuseport", "no_check"], ...] = ()
    """Options that the sending socket has: IP_FREEBIND and so on."""
    save: Annotated[str, Field(pattern=NAME)] = "udp"
    """Refer to what it gives as ${udp.sent} and so on."""


class Pipe(FileEntry):
    """Write to a pipe and ask the kernel of it by FIONREAD.

    Gives pid, size (F_GETPIPE_SZ), pages, writes, waiting (FIONREAD).
    """

    pipe: Annotated[int, Field(ge=1, le=4096)]
    """Bytes that each write writes."""
    writes: Annotated[int, Field(ge=1, le=16)] = 1
    """How often; each takes a buffer of its own (O_DIRECT)."""
    save: Annotated[str, Field(pattern=NAME)] = "pipe"
    """Refer to what it gives as ${pipe.waiting} and so on."""


class Drain(FileEntry):
    """Take what programs sent through a ring buffer or a perf event array.

    Gives count, lost, and of the first record its size in bytes and its fields:
    ${drain.record.pid}.
    """

    drain: Annotated[str, Field(pattern=NAME)]
    """The map."""
    struct: Annotated[str, Field(pattern=NAME)] | None = None
    """The name of the struct that a record is, in the object's BTF; a record that is
    shorter counts as followed by zeros. Either this or `fields`."""
    fields: dict[str, Annotated[str, Field(pattern=FIELD_AT)]] = {}
    """Fields of a record, for a struct that the object's BTF does not hold, by their
    types and offsets in bytes: {pid: s32@8, comm: "char[16]@40"}. The types are u8 to
    u64, s8 to s64 and char[N]."""
    where: dict[str, JsonValue] = {}
    """Only records with these fields count: {pid: "${child.pid}"}."""
    save: Annotated[str, Field(pattern=NAME)] = "drain"
    """Refer to what it gives as ${drain.count} and so on."""


class Iterate(FileEntry):
    """Read what a BPF iterator prints. Gives text."""

    iterate: Annotated[str, Field(pattern=NAME)]
    """The program, of a section iter/…"""
    save: Annotated[str, Field(pattern=NAME)] = "iterator"
    """Refer to what it prints as ${iterator.text}."""


class Command(FileEntry):
    """Run a command in the guest. Gives pid, exit, stdout, stderr."""

    command: Annotated[tuple[Template, ...], Field(min_length=1)]
    """The argument vector; no shell is involved."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Seconds until it is killed, with its process group, and the case ends as
    timed_out; in the background also until a line matches `until`, and until it ends
    after `stop`. Slow machines wait longer by themselves (docs/timeouts.md)."""
    exit: int = 0
    """The exit status that is expected; another one fails the case."""
    background: bool = False
    """Whether it stays, as a loader does, until all is looked at; `stop` then ends it,
    and `exit`, stdout and stderr are those of its end. Gives pid at once."""
    until: Annotated[str, Field(min_length=1)] | None = None
    """In the background: wait until a line of its output matches this extended regular
    expression."""
    stop: Literal["TERM", "INT", "HUP", "USR1", "KILL"] = "TERM"
    """The signal that ends it in the background."""
    save: Annotated[str, Field(pattern=NAME)] = "command"
    """Refer to what it gives as ${command.stdout} and so on."""


class TestRun(FileEntry):
    """Run a program by BPF_PROG_TEST_RUN. Gives retval, duration_ns, data, skb."""

    __test__ = False

    test_run: Annotated[str, Field(pattern=NAME)]
    """The program."""
    data: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2}\s*)+$")] = "00" * 64
    """The packet, in hexadecimal."""
    skb: dict[str, int] = {}
    """Fields of struct __sk_buff that the program starts with, such as mark."""
    repeat: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How often; data and context are those after the last time."""
    save: Annotated[str, Field(pattern=NAME)] = "run"
    """Refer to what it gives as ${run.retval} and so on."""


Trigger = Annotated[
    Annotated[Fork, Tag("fork trigger")]
    | Annotated[Syscall, Tag("syscall trigger")]
    | Annotated[Sleep, Tag("sleep trigger")]
    | Annotated[Udp, Tag("udp trigger")]
    | Annotated[Command, Tag("command trigger")]
    | Annotated[TestRun, Tag("test_run trigger")]
    | Annotated[Pipe, Tag("pipe trigger")]
    | Annotated[Drain, Tag("drain trigger")]
    | Annotated[Iterate, Tag("iterate trigger")],
    by_key(
        "trigger",
        *("fork", "syscall", "sleep", "udp", "command", "test_run"),
        *("pipe", "drain", "iterate"),
    ),
]

# ------------------------------------------------------------------ truths


class Excerpt(FileEntry):
    """What of a text is the truth: all of it, or a part."""

    pattern: str | None = None
    """A regular expression; its first group is the value, else all that it matches."""
    field: Annotated[int, Field(ge=1)] | None = None
    """The n-th word, counted from 1; in /proc/PID/stat the comm is one word."""
    base: Literal[10, 16] = 10
    """How a number is written."""


class ProcTruth(Excerpt):
    """A value of a file under /proc or /sys, read in the guest."""

    proc: Annotated[Template, Field(pattern=r"^/(proc|sys)/")]
    """The file, such as /proc/${child.pid}/stat."""
    line: str | None = None
    """Take the line that begins with this word and a colon; `field` counts after it."""


class CommandTruth(Excerpt):
    """What a command prints in the guest, on its standard output."""

    command: Annotated[tuple[Template, ...], Field(min_length=1)]
    """The argument vector; no shell is involved."""


Truth = Annotated[
    Annotated[ProcTruth, Tag("proc truth")]
    | Annotated[CommandTruth, Tag("command truth")],
    by_key("truth", "proc", "command"),
]

# ------------------------------------------------------------ expectations


class Matcher(FileEntry):
    """How an observed value is judged: exactly one of equals … matches."""

    equals: JsonValue = None
    """The value itself: a number, text, list, mapping or ${reference}."""
    within: Annotated[int, Field(ge=1)] | None = None
    """How far a number may be from `equals`, where the kernel itself is inexact."""
    between: tuple[int | Template, int | Template] | None = None
    """Both ends belong to the range."""
    one_of: tuple[JsonValue, ...] | None = None
    """The values of which it must be one."""
    matches: str | None = None
    """A regular expression that the whole text must match."""
    mask: int | None = None
    """Applied to the observed number before it is judged."""


class MapExpectation(Matcher):
    """A value in a map, as `bpftool map dump` shows it."""

    map: str
    """The map's name in the object."""
    key: JsonValue = None
    """The key as bpftool formats it: a number, or a mapping of the key's fields."""
    field: str | None = None
    """The path to a member of the value: pos.x, or values[2]."""
    cpu: int | Literal["sum", "any"] | None = None
    """For per-CPU maps: one CPU's value, the sum of all, or any that matches."""
    raw: bool = False
    """Judge the value's bytes, "0x01 0x00 …", instead of its formatted value."""


class RowsExpectation(FileEntry):
    """A map's rows, in any order."""

    map: str
    """The map's name in the object."""
    rows: tuple[dict[Literal["key", "value"], JsonValue], ...]
    """The rows as bpftool formats them: {key: 1, value: {x: 2}}."""
    match: Literal["exactly", "includes"] = "exactly"
    """Whether other rows may be there, too."""


class ShowExpectation(FileEntry):
    """What `bpftool prog show` or `bpftool map show` says; other keys are ignored."""

    program: str | None = None
    """The program's name in the object; either this or `map`."""
    map: str | None = None
    """The map's name in the object."""
    show: Annotated[dict[str, JsonValue], Field(min_length=1)]
    """Keys of bpftool's JSON with their values: {type: kprobe}."""


class Instruction(FileEntry):
    """An instruction, by what it holds: exactly one of the keys."""

    offset_of: Annotated[str, Field(pattern=FIELD_OF_TYPE)] | None = None
    """The offset of a field of the kernel's, in bytes: task_struct.thread.fsbase."""
    size_of: str | None = None
    """The size of a type or field of the kernel's, in bytes: task_struct.comm."""
    map: str | None = None
    """The id of a loaded map, by its name in the object; not in `relocated`."""
    number: int | None = None
    """This number."""
    poison: Literal[True] | None = None
    """What libbpf puts in place of what the kernel lacks; not in `xlated`."""


class CodeExpectation(FileEntry):
    """Instructions that a program has, in this order; others may be between them."""

    program: str
    """The program's name in the object."""
    xlated: Annotated[tuple[Instruction, ...], Field(min_length=1)] | None = None
    """As the kernel runs it, and `bpftool prog dump xlated` shows it (from 4.13 on);
    poison must not be left in it."""
    relocated: Annotated[tuple[Instruction, ...], Field(min_length=1)] | None = None
    """As libbpf hands it to the kernel."""


class ValueExpectation(Matcher):
    """A value that a trigger or a truth gave."""

    value: ValueReference
    """What is judged, such as ${run.retval}."""


Expectation = Annotated[
    Annotated[RowsExpectation, Tag("rows expectation")]
    | Annotated[ShowExpectation, Tag("show expectation")]
    | Annotated[CodeExpectation, Tag("xlated expectation")]
    | Annotated[CodeExpectation, Tag("relocated expectation")]
    | Annotated[ValueExpectation, Tag("value expectation")]
    | Annotated[MapExpectation, Tag("map expectation")],
    # In this order: rows and show may stand beside map.
    by_key("expectation", "rows", "show", "xlated", "relocated", "value", "map"),
]

# ------------------------------------------------------------------- cases


# Different things for different kernels, by version range: {"<4.17": …, ">=4.17": …}.
AttachPlace = Annotated[str, Field(pattern=r"^[a-z_]+/.+$")]


class Program(FileEntry):
    """How one program of the object is treated."""

    load: bool | Annotated[dict[str, bool], Field(min_length=1)] = True
    """Whether it is loaded; else it is as if it were not there; or by version range,
    elsewhere loaded: {"<5.17": false}, as a loader chooses with
    bpf_program__set_autoload()."""
    attach: (
        bool | AttachPlace | Annotated[dict[str, AttachPlace], Field(min_length=1)]
    ) = True
    """Whether it is attached, as its section says (socket filters never are); or where
    to: kprobe/NAME, kretprobe/NAME, tracepoint/GROUP/NAME, raw_tp/NAME,
    perf_event/cpu-clock, uprobe/FILE:SYMBOL, uretprobe/FILE:SYMBOL (where FILE may
    begin with ${files.folder}), xdp/INTERFACE, cgroup/FOLDER, and for programs of such
    a section fentry/NAME, fexit/NAME, fmod_ret/NAME, tp_btf/NAME, lsm/NAME; or where to
    by version range, elsewhere as its section says: {"<4.17": kprobe/sys_getpgid}."""

    def loads(self, version: KernelVersion) -> bool:
        """Return whether it is loaded on a kernel."""
        if isinstance(self.load, dict):
            return pick(self.load, version) is not False
        return self.load

    def place(self, version: KernelVersion) -> str | None:
        """Return where it is attached on a kernel; None for where its section says."""
        if isinstance(self.attach, dict):
            return pick(self.attach, version)
        return self.attach if isinstance(self.attach, str) else None


class Map(FileEntry):
    """What a loader sets of a map before it loads the object."""

    max_entries: Annotated[int, Field(ge=1, lt=1 << 32)] | None = None
    """How many entries it has, such as where the object leaves that to its loader."""
    value_size: Annotated[int, Field(ge=1, lt=1 << 32)] | None = None
    """The size of a value in bytes: 8 for each frame in a stack trace map."""
    create: bool | Annotated[dict[str, bool], Field(min_length=1)] = True
    """Whether it is created; or by version range, elsewhere created:
    {"<5.8": false}. Programs must not come to one that is not."""

    def creates(self, version: KernelVersion) -> bool:
        """Return whether it is created on a kernel."""
        if isinstance(self.create, dict):
            return pick(self.create, version) is not False
        return self.create


class ExpectedFailure(FileEntry):
    """A failure that the suite knows of."""

    kernels: str = ""
    """A version range; empty is every kernel."""
    failure_class: Annotated[
        str | Annotated[tuple[str, ...], Field(min_length=1)], Field(alias="class")
    ]
    """The failure's class, as reports show it in brackets; or several, where it depends
    on the libbpf that loads the object."""
    reason: Annotated[str, Field(min_length=1)]
    """Why it fails there, for those who read the report."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it may have."""
        known = self.failure_class
        return (known,) if isinstance(known, str) else known


class Case(FileEntry):
    """One object, one trigger, and what must then be in its maps."""

    name: Annotated[str, Field(pattern=NAME)]
    """Its name in reports and baselines, which show SUITE::NAME."""
    was: tuple[FormerName, ...] = ()
    """Names that the case had before; of one that came from another suite, the whole
    name: [old_name, "maps::old_name"]. A baseline's case of such a name is compared
    with this one, and has not vanished."""
    description: str = ""
    """What it shows, for those who read the suite."""
    object: str = ""
    """A NAME.bpf.c that is compiled, or an object file: its path, relative to the
    suite's folder, inside the repository. A case without one has `files` that load
    something."""
    files: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Files, such as a loader and its object, that commands find in the guest's folder
    ${files.folder}: bin/loader is ${files.folder}/loader. ${files.btf} is the kernel's
    BTF there. Paths are as those of `object`."""
    vmlinux: Annotated[str, Field(min_length=1)] | None = None
    """A kernel of the matrix, by its id, whose types the source includes as
    vmlinux.h."""
    loader: Loader | Annotated[dict[str, Loader], Field(min_length=1)] = "libbpf"
    """What loads the object: plain libbpf, as a user's loader would, or libbpf with
    programs rewritten so that kernels from 4.4 on take them (compat); or one by
    version range, elsewhere libbpf: {"<4.15": compat}."""
    programs: dict[str, Program] = {}
    """What is done with single programs; others are loaded and attached."""
    alternatives: tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...] = ()
    """Programs of which a loader takes one: of each list the first one is loaded whose
    place the kernel has (a function, a tracepoint, a hook), or else the last one, and
    the others are not: [[on_fentry, on_kprobe]]."""
    maps: dict[str, Map] = {}
    """What is set of maps before the object is loaded, as its own loader does."""
    variables: dict[str, JsonValue] = {}
    """What global variables are set to before the object is loaded, such as filters in
    .rodata: {wanted_pid: "${agent.pid}", comm: sleeper}. Numbers, enumerators, text,
    lists and mappings of members; ${agent.…} and ${kernel.…} may be used."""
    kernels: str = ""
    """A version range; on other kernels the case is skipped with `reason`."""
    config: tuple[Annotated[str, Field(pattern=r"^CONFIG_\w+=.+$")], ...] = ()
    """Lines of the kernel's configuration without which it is skipped, as with
    `kernels`: [CONFIG_BPF_LSM=y]."""
    reason: str = ""
    """Why it does not apply elsewhere."""
    attach: bool = True
    """Whether programs are attached; false for a case that is about loading alone,
    whatever `programs` says."""
    must_attach: bool = False
    """Whether it fails when no program of the object was attached, as with --object."""
    must_run: bool = True
    """Whether it fails when no program of the object ran; false for a case that is
    about loading alone."""
    expect_failure: ExpectedFailure | None = None
    """A failure that is known; the case fails when it does not happen."""
    trigger: tuple[Trigger, ...] = ()
    """What is done in the guest once the programs are attached, in order."""
    truth: dict[str, Truth] = {}
    """What the guest says of itself, taken after the triggers: ${truth.NAME}."""
    expect: tuple[Expectation, ...] = ()
    """What must hold; a case without any fails."""

    def loader_on(self, version: KernelVersion) -> Loader:
        """Return what loads the object on a kernel."""
        if isinstance(self.loader, dict):
            return pick(self.loader, version) or "libbpf"
        return self.loader


class Suite(FileEntry):
    """A whole suite file."""

    name: Annotated[str, Field(pattern=SUITE_NAME)] | None = None
    """Its name in reports and baselines. Without one it is the folder's name, and
    `suite` at the top of a repository, whose folder has another name in each clone."""
    was: tuple[FormerName, ...] = ()
    """Names that the suite had before; see the key of the same name of a case."""
    description: Annotated[str, Field(min_length=1)]
    """What the suite guards."""
    reuse: Literal["object", "suite"] = "object"
    """Which cases share a guest: those of an object, or all of the suite.

    A guest that comes from a snapshot is as quick as it is clean; without snapshots one
    guest serves the whole kernel.
    """
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]
    """The cases, in the order in which they run."""
