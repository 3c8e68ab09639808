"""What a guest is, besides its kernel: processors, lockdown, cgroups, modules, users.

A row of the matrix, a suite and a case may each say something of it; the nearest wins,
key by key. How each key is done is in `runner.guest.environment`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    model_validator,
)

from runner.errors import UsageError
from runner.facts import names
from runner.files import modelfile
from runner.files.modelfile import FileEntry
from runner.matrix import kernelarguments
from runner.matrix.interfaces import Interface, fitting
from runner.matrix.mounts import Mount, visible
from runner.text.nearest import near

KernelArgument = Annotated[
    str, Field(pattern=r"^[!-~]+$"), AfterValidator(kernelarguments.allowed)
]

# QEMU's machine `pc` takes no more (hw/i386/pc_piix.c).
MOST_CPUS = 255

CpuNumber = Annotated[int, Field(ge=0, lt=MOST_CPUS)]
CpuCount = Annotated[int, Field(ge=1, le=MOST_CPUS)]

# In a list of security modules: the kernel's own.
OWN_LSMS = "..."

# Source: include/uapi/linux/capability.h of 6.12.
CAPABILITIES = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER"),
    *("CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP"),
    *("CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST"),
    *("CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER"),
    *("CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE"),
    *("CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE"),
    *("CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD"),
    *("CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP"),
    *("CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM"),
    *("CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF"),
    "CAP_CHECKPOINT_RESTORE",
)


def _number_or_list(data: object) -> str:
    return "list of numbers" if isinstance(data, list | tuple) else "one number"


def _number_or_mapping(data: object) -> str:
    return "cpus mapping" if isinstance(data, dict | Cpus) else "one number"


class Cpus(FileEntry):
    """A guest's processors."""

    online: Annotated[
        Annotated[CpuCount, Tag("one number")]
        | Annotated[tuple[CpuNumber, ...], Field(min_length=1), Tag("list of numbers")],
        Discriminator(_number_or_list),
    ]
    """How many are online, or which: with [0, 3], processors 1 and 2 are offline."""

    possible: CpuCount | None = None
    """How many the kernel makes room for. Per-CPU maps have a value for each of them.
    The default is as many as there are."""

    @model_validator(mode="after")
    def _fits(self) -> "Cpus":
        if isinstance(self.online, tuple):
            if list(self.online) != sorted(set(self.online)):
                raise ValueError("online must list each processor once, in order")
            if self.online[0] != 0:
                raise ValueError("online must have processor 0, which boots the kernel")
        if self.possible is not None and self.possible < self.started:
            raise ValueError(
                f"possible is {self.possible}, but {self.started} processors start"
            )
        return self

    @property
    def started(self) -> int:
        """How many the kernel starts, some of which may be taken offline again."""
        return self.online if isinstance(self.online, int) else self.online[-1] + 1

    @property
    def all(self) -> int:
        """How many are possible."""
        return self.possible or self.started

    @property
    def numbers(self) -> tuple[int, ...]:
        """Those that are online."""
        if isinstance(self.online, int):
            return tuple(range(self.online))
        return self.online


# Calls of bpf(2) that take a token, by their numbers in enum bpf_cmd.
_DELEGABLE = {"map_create": 0, "prog_load": 5, "btf_load": 18}
# For what a list may say in place of names.
_ANY = "any"
_Names = Literal["any"] | tuple[str, ...]


def _tables() -> dict[str, tuple[str, Mapping[str, int]]]:
    """Return, by the keys of a token, bpffs's options and the bits of their names."""
    return {
        "commands": ("delegate_cmds", _DELEGABLE),
        "maps": ("delegate_maps", _numbers(names.MAP_TYPES)),
        "programs": ("delegate_progs", _numbers(names.PROGRAM_TYPES)),
        "attach": ("delegate_attachs", _numbers(names.ATTACH_TYPES)),
    }


def _numbers(table: Iterable[str]) -> Mapping[str, int]:
    return {name: number for number, name in enumerate(table)}


class Token(FileEntry):
    """What a BPF token (6.9) lets a user namespace do: mount options of its bpffs.

    Each key is a list of names, or any.
    """

    commands: _Names = tuple(_DELEGABLE)
    """Calls of bpf(2): map_create, prog_load, btf_load. The default is all of them."""
    maps: _Names = ()
    """Types of maps, as bpftool shows them: [hash, ringbuf]."""
    programs: _Names = ()
    """Types of programs: [socket_filter]."""
    attach: _Names = ()
    """Attach types, as `attach` in `needs` names them: [cgroup_inet_ingress]. A program
    that has none counts as the first, cgroup_inet_ingress."""

    @model_validator(mode="after")
    def _knows_names(self) -> "Token":
        for key, (_, bits) in _tables().items():
            wanted = getattr(self, key)
            for name in () if wanted == _ANY else wanted:
                if name not in bits:
                    raise ValueError(
                        f"{key}: no kernel has {name!r}{near(name, bits, '')}"
                    )
        return self

    @property
    def options(self) -> Iterator[tuple[str, str]]:
        """bpffs's mount options, with the bits of what is delegated."""
        for key, (option, bits) in _tables().items():
            wanted = getattr(self, key)
            if wanted == _ANY:
                yield option, _ANY
            elif wanted:
                yield option, f"{sum(1 << bits[name] for name in set(wanted)):#x}"


class User(FileEntry):
    """Who loads and attaches objects."""

    uid: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    """The user's number."""

    capabilities: tuple[str, ...] | None = None
    """The capabilities that the loader has, and no others: [CAP_BPF, CAP_PERFMON]. The
    default is all for user 0 and for root of a `namespace`, and none for others."""

    namespace: bool = False
    """Whether the user is root of a user namespace of its own, as `unshare -r` and
    containers make it. Its capabilities are those of that namespace."""

    token: Token | None = None
    """What the namespace may do through a BPF token, which root gives it (from 6.9 on):
    {maps: [array], programs: [socket_filter], attach: any}."""

    @model_validator(mode="after")
    def _has_a_namespace(self) -> "User":
        if self.token is not None and not self.namespace:
            raise ValueError(
                "token needs namespace: true, because kernels give tokens to user "
                "namespaces only"
            )
        return self

    @model_validator(mode="after")
    def _knows_capabilities(self) -> "User":
        for name in self.capabilities or ():
            if name not in CAPABILITIES:
                meant = near(name, CAPABILITIES, "")
                raise ValueError(f"no kernel has a capability {name!r}{meant}")
        return self

    @property
    def is_root(self) -> bool:
        """Whether it may do everything."""
        return self.uid == 0 and self.capabilities is None and not self.namespace

    @property
    def mask(self) -> int:
        """The capabilities as a set of bits."""
        if self.capabilities is None:
            has_all = self.uid == 0 or self.namespace
            return (1 << len(CAPABILITIES)) - 1 if has_all else 0
        return sum(1 << CAPABILITIES.index(it) for it in set(self.capabilities))


class GuestEnvironment(FileEntry):
    """What a guest is like. The nearest of case, suite and row wins, key by key."""

    cpus: (
        Annotated[
            Annotated[CpuCount, Tag("one number")]
            | Annotated[Cpus, Tag("cpus mapping")],
            Discriminator(_number_or_mapping),
        ]
        | None
    ) = None
    """Its processors: how many, or which are online and how many are possible:
    {online: 2, possible: 64}, {online: [0, 3], possible: 8}. The default is 1."""

    memory: Annotated[int, Field(ge=96, le=65536)] | None = None
    """Its memory in MiB."""

    lockdown: Literal["none", "integrity", "confidentiality"] | None = None
    """How far the kernel is locked down (from 5.4 on, CONFIG_SECURITY_LOCKDOWN_LSM)."""

    cgroup: Literal["v1", "v2", "hybrid"] | None = None
    """Which hierarchies of control groups are mounted in /sys/fs/cgroup. `v1`: one for
    each controller, and none of version 2. `hybrid`: the same, and version 2 without
    controllers in /sys/fs/cgroup/unified. The default is v2."""

    lsm: tuple[Annotated[str, Field(pattern=r"^([a-z0-9_]+|\.\.\.)$")], ...] | None = (
        None
    )
    """The security modules that the kernel starts with, in order: [landlock, bpf].
    `...` means the kernel's own (CONFIG_LSM), which are the default:
    [..., bpf]."""

    sysctl: (
        dict[
            Annotated[
                str,
                Field(pattern=r"^[A-Za-z0-9_-]+([./][A-Za-z0-9_.-]+)+$"),
                AfterValidator(kernelarguments.sysctl_name),
            ],
            int | str,
        ]
        | None
    ) = None
    """Settings of /proc/sys, as sysctl(8) names them: {kernel.kptr_restrict: 2}, or
    {net/ipv4/conf/eth0.1/forwarding: 1}."""

    modules: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], ...] | None = (
        None
    )
    """Modules of the kernel's package that the guest loads, after those that they
    depend on: [nf_conntrack]."""

    arguments: tuple[KernelArgument, ...] | None = None
    """More arguments for the kernel's command line. Refused are those with which the
    guest would not come up (`rdinit=`, `crashkernel=`), those that hide what the kernel
    reports of itself (`quiet`, `nowatchdog`), and those that another key says (`mem=`,
    `maxcpus=`, `sysctl.…`)."""

    mounts: Annotated[tuple[Mount, ...], AfterValidator(visible)] | None = None
    """More file systems, mounted in this order."""

    interfaces: Annotated[tuple[Interface, ...], AfterValidator(fitting)] | None = None
    """Interfaces besides lo and eth0, for programs of tc and XDP:
    [{name: veth0, peer: {name: veth1, netns: other}}]. Their modules are loaded."""

    user: User | None = None
    """Who loads and attaches objects. The default is root with all capabilities."""

    @property
    def processors(self) -> Cpus:
        """Its processors."""
        if self.cpus is None or isinstance(self.cpus, int):
            return Cpus(online=self.cpus or 1)
        return self.cpus

    @model_validator(mode="after")
    def _shows_what_a_run_looks_at(self) -> "GuestEnvironment":
        kernelarguments.harmless_sysctls(self.sysctl)
        return self

    @property
    def loader(self) -> User:
        """Who loads objects."""
        return self.user or User()

    @property
    def shown(self) -> dict[str, JsonValue]:
        """What is said of it, as files have it."""
        return dict(self.model_dump(mode="json", exclude_none=True))


PLAIN = GuestEnvironment()


def merged(environments: Iterable[GuestEnvironment]) -> GuestEnvironment:
    """Return what several say together; of a key, the last one that has it."""
    found: dict[str, object] = {}
    for each in environments:
        for key in GuestEnvironment.model_fields:
            value = getattr(each, key)
            if value is not None:
                found[key] = value
    return PLAIN.model_copy(update=found)


def parse(words: Iterable[str]) -> GuestEnvironment:
    """Return what words such as "cpus=2" and "sysctl={kernel.sysrq: 1}" say.

    Raises UsageError for what is no such word, and for what a file may not say either.
    """
    found: dict[str, object] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key or not text:
            raise UsageError(
                f"--guest {word!r} is not KEY=VALUE", hint="for example: --guest cpus=2"
            )
        try:
            found[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"--guest {word!r}: {text!r} is not YAML") from error
    try:
        # As JSON, so that lists become tuples while all else stays strict.
        return GuestEnvironment.model_validate_json(json.dumps(found, default=str))
    except ValidationError as error:
        said = modelfile.sentences(GuestEnvironment, error, found)
        raise UsageError(
            f"--guest: {said}", hint="docs/environment.md explains every key"
        ) from error
