"""Sections of programs that libbpf 1.x knows, and how a suite runs each, as a table.

They are those of section_defs[] in libbpf's libbpf.c. The first row counts whose
pattern matches the whole name of the section.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

from runner.scaffold import hooks
from runner.scaffold.hooks import Action, Hook


class Way(Enum):
    """How a program is made to run."""

    # It is attached to what its section names, and something reaches that.
    HOOKED = "hooked"
    # BPF_PROG_TEST_RUN gives it a packet.
    TEST_RUN = "test run"
    # It is attached to what the row names, and the row's actions reach that.
    PLACED = "placed"
    # What it prints is read.
    ITERATED = "iterated"
    # It loads, and nothing makes it run.
    LOADED = "loaded"
    # It does not even load without its loader's help.
    LEFT_OUT = "left out"


@dataclass(frozen=True, kw_only=True)
class SectionKind:
    """Sections, by a regular expression; a group `place` is what they name."""

    pattern: str
    # As bpftool shows the program's type; empty where libbpf decides.
    type: str
    way: Way
    # What it is attached to, where its section does not say that.
    attach: str = ""
    actions: tuple[Action, ...] = ()
    # What a kernel must have, as a suite's `needs`; None for what all kernels of the
    # matrix have.
    needs: dict[str, str] | None = None
    # Since when kernels have that.
    since: str = ""
    # What a reader should know: why nothing makes it run, what to set.
    note: str = ""
    # Kernels before 6.1 do not count how often it runs.
    sleeps: bool = False
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the pattern once."""
        object.__setattr__(self, "compiled", re.compile(self.pattern))

    def place(self, section: str) -> str:
        """Return what a section names; empty if nothing."""
        found = self.compiled.fullmatch(section)
        return (found.groupdict().get("place") or "") if found else ""

    def hook(self, section: str) -> Hook | None:
        """Return what reaches the place that a section names, if that is known."""
        # "kprobe/vfs_read+0x4", "syscalls/sys_enter_openat", "bpf_map:…".
        place = self.place(section).partition("+")[0].rpartition("/")[2]
        return hooks.of_place(place) if self.way is Way.HOOKED and place else None


_CGROUP = "cgroup//sys/fs/cgroup"
_ROOT_NOTE = "it is attached to the root control group of the guest"
_USER_NOTE = (
    "the guest has busybox and no libraries of yours: put your program into `files`, "
    'set `attach: "uprobe//run/agent/PROGRAM:FUNCTION"`, and run it as a trigger'
)
_NO_SOCKET = "no trigger sets up such sockets: run your own loader as a command"


def _cgroup(
    pattern: str, type_: str, *actions: Action, note: str = _ROOT_NOTE
) -> SectionKind:
    return SectionKind(
        pattern=pattern,
        type=type_,
        way=Way.PLACED,
        attach=_CGROUP,
        actions=actions,
        note=note,
    )


def _loaded(
    pattern: str,
    type_: str,
    note: str,
    needs: dict[str, str] | None = None,
    since: str = "",
) -> SectionKind:
    return SectionKind(
        pattern=pattern,
        type=type_,
        way=Way.LOADED,
        note=note,
        needs=needs,
        since=since,
    )


_KPROBE_MULTI = {"link": "kprobe_multi"}
_TCX = "it gets a packet by a test run, and is not attached to an interface"

SECTIONS: tuple[SectionKind, ...] = (
    # --------------------------------------------------------------- tracing
    SectionKind(
        pattern=r"(kprobe|kretprobe)/(?P<place>.+)", type="kprobe", way=Way.HOOKED
    ),
    SectionKind(
        pattern=r"(kprobe|kretprobe|fentry|fexit|tracepoint|tp|raw_tp|raw_tracepoint)",
        type="",
        way=Way.LOADED,
        note="its section names no place: set `attach`, as your loader does, such as "
        "`attach: kprobe/vfs_read`",
    ),
    SectionKind(
        pattern=r"(kprobe|kretprobe)\.(multi|session)/(?P<place>.+)",
        type="kprobe",
        way=Way.HOOKED,
        needs=_KPROBE_MULTI,
        since="5.18",
    ),
    SectionKind(
        pattern=r"(ksyscall|kretsyscall)/(?P<place>.+)", type="kprobe", way=Way.HOOKED
    ),
    SectionKind(
        pattern=r"(tracepoint|tp)/(?P<place>.+/.+)", type="tracepoint", way=Way.HOOKED
    ),
    SectionKind(
        pattern=r"(raw_tracepoint|raw_tp)\.w/(?P<place>.+)",
        type="raw_tracepoint_writable",
        way=Way.HOOKED,
    ),
    SectionKind(
        pattern=r"(raw_tracepoint|raw_tp)/(?P<place>.+)",
        type="raw_tracepoint",
        way=Way.HOOKED,
    ),
    SectionKind(
        pattern=r"(tp_btf|fentry|fexit|fmod_ret)/(?P<place>.+)",
        type="tracing",
        way=Way.HOOKED,
    ),
    SectionKind(
        pattern=r"(fentry|fexit|fmod_ret)\.s/(?P<place>.+)",
        type="tracing",
        way=Way.HOOKED,
        sleeps=True,
    ),
    SectionKind(
        pattern=r"lsm/(?P<place>.+)",
        type="lsm",
        way=Way.HOOKED,
        needs={"config": "CONFIG_BPF_LSM"},
    ),
    SectionKind(
        pattern=r"lsm\.s/(?P<place>.+)",
        type="lsm",
        way=Way.HOOKED,
        needs={"config": "CONFIG_BPF_LSM"},
        sleeps=True,
    ),
    _loaded(
        r"lsm_cgroup/.+",
        "lsm",
        "no trigger attaches it to a control group: run your own loader as a command",
        needs={"attach": "lsm_cgroup"},
        since="6.0",
    ),
    SectionKind(
        pattern=r"iter(\.s)?/(?P<place>bpf_map_elem|bpf_sk_storage_map|sockmap|cgroup)",
        type="tracing",
        way=Way.LOADED,
        note="its iterator needs a map or a control group, which your loader names",
    ),
    SectionKind(pattern=r"iter(\.s)?/(?P<place>.+)", type="tracing", way=Way.ITERATED),
    SectionKind(
        pattern=r"perf_event",
        type="perf_event",
        way=Way.PLACED,
        attach="perf_event/cpu-clock",
        actions=(hooks.SPIN,),
        note="it samples the processor's clock, which every guest has",
    ),
    # ---------------------------------------------------------- user's programs
    _loaded(
        r"(uprobe|uretprobe)\.(multi|session)(\.s)?(/.*)?",
        "kprobe",
        _USER_NOTE,
        needs={"link": "uprobe_multi"},
        since="6.6",
    ),
    _loaded(r"(uprobe|uretprobe)(\.s)?(/.*)?", "kprobe", _USER_NOTE),
    _loaded(r"usdt(\.s)?(/.*)?", "kprobe", _USER_NOTE),
    # --------------------------------------------------------------- packets
    _loaded(
        r"xdp(\.frags)?[/_](devmap|cpumap)(/.*)?",
        "xdp",
        "only a map that redirects packets runs it",
    ),
    SectionKind(
        pattern=r"xdp(\.frags)?([/_].*)?",
        type="xdp",
        way=Way.PLACED,
        attach="xdp/lo",
        actions=(hooks.UDP,),
        note="it is attached to the guest's loopback interface",
    ),
    SectionKind(pattern=r"socket([0-9]*|/.*)", type="socket_filter", way=Way.TEST_RUN),
    SectionKind(
        pattern=r"(classifier|tc)([/_].*)?",
        type="sched_cls",
        way=Way.TEST_RUN,
        note=_TCX,
    ),
    SectionKind(pattern=r"action([/_].*)?", type="sched_act", way=Way.TEST_RUN),
    SectionKind(
        pattern=r"tcx/(ingress|egress)",
        type="sched_cls",
        way=Way.TEST_RUN,
        needs={"attach": "tcx_ingress"},
        since="6.6",
        note=_TCX,
    ),
    SectionKind(
        pattern=r"netkit/(primary|peer)",
        type="sched_cls",
        way=Way.TEST_RUN,
        needs={"attach": "netkit_primary"},
        since="6.7",
        note=_TCX,
    ),
    SectionKind(pattern=r"lwt_in([/_].*)?", type="lwt_in", way=Way.TEST_RUN),
    SectionKind(pattern=r"lwt_out([/_].*)?", type="lwt_out", way=Way.TEST_RUN),
    SectionKind(pattern=r"lwt_xmit([/_].*)?", type="lwt_xmit", way=Way.TEST_RUN),
    _loaded(
        r"lwt_seg6local([/_].*)?",
        "lwt_seg6local",
        "no trigger sets up routes: run your own loader as a command",
    ),
    SectionKind(pattern=r"flow_dissector", type="flow_dissector", way=Way.TEST_RUN),
    SectionKind(
        pattern=r"cgroup(_skb/|/skb)(ingress|egress)?|cgroup_skb/.+|cgroup/skb",
        type="cgroup_skb",
        way=Way.TEST_RUN,
        note="it gets a packet by a test run: one that drops packets of the root "
        "control group would cut the guest off",
    ),
    _loaded(
        r"netfilter",
        "netfilter",
        "no trigger attaches it to a hook: run your own loader as a command",
        needs={"prog_type": "netfilter"},
        since="6.4",
    ),
    # ---------------------------------------------------------------- sockets
    _cgroup(r"sockops", "sock_ops", hooks.TCP),
    _loaded(r"sk_skb([/_].*)?", "sk_skb", _NO_SOCKET),
    _loaded(r"sk_msg([/_].*)?", "sk_msg", _NO_SOCKET),
    _loaded(r"sk_lookup([/_].*)?", "sk_lookup", _NO_SOCKET),
    _loaded(r"sk_reuseport([/_].*)?", "sk_reuseport", _NO_SOCKET),
    _cgroup(r"cgroup/(sock|sock_create|sock_release)", "cgroup_sock", hooks.UDP),
    _cgroup(r"cgroup/post_bind4", "cgroup_sock", hooks.UDP),
    _cgroup(r"cgroup/bind4", "cgroup_sock_addr", hooks.UDP),
    _cgroup(r"cgroup/connect4", "cgroup_sock_addr", hooks.CONNECT),
    _cgroup(r"cgroup/connect6", "cgroup_sock_addr", hooks.CONNECT6),
    _cgroup(r"cgroup/sendmsg4", "cgroup_sock_addr", hooks.UDP),
    _loaded(
        r"cgroup/(bind6|post_bind6|sendmsg6|recvmsg[46]|get(peer|sock)name[46])",
        "",
        "no trigger makes such a call: attach it with "
        f"`attach: {_CGROUP}`, and add a command that does",
    ),
    _loaded(
        r"cgroup/(connect|sendmsg|recvmsg|getpeername|getsockname)_?unix",
        "cgroup_sock_addr",
        "no trigger makes such a call: attach it with "
        f"`attach: {_CGROUP}`, and add a command that does",
        needs={"attach": "cgroup_unix_connect"},
        since="6.7",
    ),
    _cgroup(r"cgroup/sysctl", "cgroup_sysctl", hooks.SYSCTL),
    _cgroup(r"cgroup/(getsockopt|setsockopt)", "cgroup_sockopt", hooks.UDP),
    _cgroup(r"cgroup/dev", "cgroup_device", hooks.OPEN),
    # ----------------------------------------------------------------- others
    _loaded(
        r"struct_ops(\.s)?(/.*)?",
        "struct_ops",
        "nothing uses its struct: run your own loader as a command",
    ),
    _loaded(
        r"syscall",
        "syscall",
        "a test run gives it no context; if it needs none, add the trigger "
        "{test_run: NAME}",
        needs={"prog_type": "syscall"},
        since="5.14",
    ),
    _loaded(r"lirc_mode2", "lirc_mode2", "the guest has no infrared receiver"),
    SectionKind(
        pattern=r"freplace(\.s)?(/.*)?",
        type="ext",
        way=Way.LEFT_OUT,
        note="it replaces a function of another program that is loaded already, which "
        "only your loader can name",
    ),
)
_UNKNOWN = SectionKind(
    pattern=r".*",
    type="",
    way=Way.LOADED,
    note="libbpf does not know this section: your loader has to set the program's type",
)


def kind_of(section: str) -> SectionKind:
    """Return the row of a section."""
    return next((it for it in SECTIONS if it.compiled.fullmatch(section)), _UNKNOWN)
