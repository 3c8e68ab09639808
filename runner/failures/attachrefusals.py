"""What a refused attachment means, by its place and the errno: the kernel has no words.

bpf(2) and netlink say "Invalid argument" of a place that the kernel does not know, of
one that is taken, and of one that takes other programs. Which it is depends on what was
to be attached where. A row names the kernel's function that returns the errno.
"""

from collections.abc import Callable
from dataclasses import dataclass

from runner.failures.classes import (
    ATTACH_KIND_MISSING,
    ATTACH_MODULE_MISSING,
    ATTACH_PLACE_TAKEN,
    ATTACH_PLACE_UNFIT,
    ATTACH_TARGET_MISSING,
    CGROUP_VERSION,
    INTERFACE_MISSING,
    USER_TARGET_MISSING,
    XDP_MODE_UNSUPPORTED,
    FailureClass,
)
from runner.failures.classify import Classification

# Whether a kernel lacks what a key of a condition names: ("attach", "tcx_ingress").
Lacks = Callable[[str, str], bool]


@dataclass(frozen=True, kw_only=True)
class AttachRefusal:
    """What errnos mean of a kind of places."""

    # First words of places.
    kinds: tuple[str, ...]
    errors: tuple[str, ...]
    failure: FailureClass
    # What is wrong, in a sentence without its end.
    said: str
    # Where the kernel, or the agent, decides that; with a version if that counts.
    source: str
    # What the place ends with: "/native"; empty for any.
    ending: str = ""
    # Only of kernels that lack this: the key of a condition, and a name.
    lacking: tuple[str, str] | None = None


_INTERFACES = ("tc", "tcx", "netkit", "xdp")
_MULTI = ("kprobe.multi", "kretprobe.multi")
_USER_MULTI = ("uprobe.multi", "uretprobe.multi")
_NAMESPACES = ("netns", "sk_lookup", "flow_dissector")
_UNKNOWN = ("EINVAL", "EOPNOTSUPP")

# The first one that fits counts.
ROWS = (
    AttachRefusal(
        kinds=_INTERFACES,
        errors=("ENODEV",),
        failure=INTERFACE_MISSING,
        said="the guest has no such interface",
        source="if_nametoindex() in images/agent/attach_network.c",
    ),
    # ------------------------------------------------------------------------ tc, tcx
    AttachRefusal(
        kinds=("tc",),
        errors=("ENOENT", "EOPNOTSUPP"),
        failure=ATTACH_MODULE_MISSING,
        said="the kernel has not loaded the queueing discipline clsact (sch_ingress), "
        "or the classifier bpf (cls_bpf)",
        source="qdisc_create() in net/sched/sch_api.c, tcf_proto_lookup_ops() in "
        "net/sched/cls_api.c: -ENOENT where no module has the name",
    ),
    AttachRefusal(
        kinds=("tcx",),
        errors=_UNKNOWN,
        failure=ATTACH_KIND_MISSING,
        said="tcx was added in 6.6; older kernels take the program at tc/…, with the "
        "modules sch_ingress and cls_bpf",
        source="e420bed02507; link_create() in kernel/bpf/syscall.c before",
        lacking=("attach", "tcx_ingress"),
    ),
    AttachRefusal(
        kinds=("tcx", "netkit"),
        errors=("ERANGE",),
        failure=ATTACH_PLACE_TAKEN,
        said="64 programs are attached there, and the kernel takes no more",
        source="bpf_mprog_attach() in kernel/bpf/mprog.c, 6.6",
    ),
    # ------------------------------------------------------------------------- netkit
    AttachRefusal(
        kinds=("netkit",),
        errors=_UNKNOWN,
        failure=ATTACH_KIND_MISSING,
        said="netkit was added in 6.7; older kernels have veth pairs with tc or tcx",
        source="35dfaad7188c; link_create() in kernel/bpf/syscall.c before",
        lacking=("attach", "netkit_primary"),
    ),
    AttachRefusal(
        kinds=("netkit",),
        errors=("ENXIO",),
        failure=ATTACH_PLACE_UNFIT,
        said="the interface is not of the type netkit",
        source="netkit_dev_fetch() in drivers/net/netkit.c, 6.7",
    ),
    AttachRefusal(
        kinds=("netkit",),
        errors=("EACCES",),
        failure=ATTACH_PLACE_UNFIT,
        said="the interface is the peer of a pair, and programs of both ends are "
        "attached by the first one",
        source="netkit_dev_fetch() in drivers/net/netkit.c, 6.7",
    ),
    # ---------------------------------------------------------------------------- xdp
    AttachRefusal(
        kinds=("xdp",),
        errors=("EOPNOTSUPP",),
        ending="/native",
        failure=XDP_MODE_UNSUPPORTED,
        said="the interface's driver runs no such XDP programs itself",
        source="dev_xdp_attach() in net/core/dev.c: no ndo_bpf, or what that returns",
    ),
    AttachRefusal(
        kinds=("xdp",),
        errors=("EBUSY", "EEXIST"),
        failure=ATTACH_PLACE_TAKEN,
        said="the interface has an XDP program already, in this mode or in the other",
        source="dev_xdp_attach() in net/core/dev.c",
    ),
    # ---------------------------------------------------------------------- netfilter
    AttachRefusal(
        kinds=("netfilter",),
        errors=_UNKNOWN,
        failure=ATTACH_KIND_MISSING,
        said="netfilter programs were added in 6.4, with CONFIG_NETFILTER_BPF_LINK",
        source="84601d6ee68a; link_create() in kernel/bpf/syscall.c before",
        lacking=("attach", "netfilter"),
    ),
    AttachRefusal(
        kinds=("netfilter",),
        errors=("EAFNOSUPPORT", "EPROTO", "EOPNOTSUPP"),
        failure=ATTACH_PLACE_UNFIT,
        said="the kernel has no such hook for this protocol",
        source="bpf_nf_check_pf_and_hooks() in net/netfilter/nf_bpf_link.c, 6.4",
    ),
    AttachRefusal(
        kinds=("netfilter",),
        errors=("ERANGE",),
        failure=ATTACH_PLACE_UNFIT,
        said="the first and the last priority are the kernel's own",
        source="bpf_nf_check_pf_and_hooks() in net/netfilter/nf_bpf_link.c, 6.4",
    ),
    AttachRefusal(
        kinds=("netfilter",),
        errors=("EBUSY",),
        failure=ATTACH_PLACE_TAKEN,
        said="a BPF program is at this hook with the same priority",
        source="nf_hook_entries_grow() in net/netfilter/core.c, 6.4",
    ),
    # -------------------------------------------------------------- namespace, sockets
    AttachRefusal(
        kinds=_NAMESPACES,
        errors=("ENOENT",),
        failure=ATTACH_PLACE_UNFIT,
        said="the guest has no such file of a network namespace",
        source="openat() in images/agent/attach_network.c",
    ),
    AttachRefusal(
        kinds=_NAMESPACES,
        errors=("E2BIG", "EEXIST"),
        failure=ATTACH_PLACE_TAKEN,
        said="the network namespace has a flow dissector already, or 64 sk_lookup "
        "programs",
        source="netns_bpf_link_create() and netns_bpf_prog_attach() in "
        "kernel/bpf/net_namespace.c",
    ),
    AttachRefusal(
        kinds=("sockmap",),
        errors=_UNKNOWN,
        ending="/verdict",
        failure=ATTACH_KIND_MISSING,
        said="sk_skb programs without a parser were added in 5.13; older kernels need "
        "/stream_verdict and a program at /stream_parser",
        source="a7ba4558e69a; attach_type_to_prog_type() before, kernel/bpf/syscall.c",
        lacking=("attach", "sk_skb_verdict"),
    ),
    AttachRefusal(
        kinds=("sockmap",),
        errors=("ENOENT",),
        failure=ATTACH_PLACE_UNFIT,
        said="the object has no such map",
        source="attach_sockmap() in images/agent/attach_network.c",
    ),
    AttachRefusal(
        kinds=("sockmap",),
        errors=_UNKNOWN,
        failure=ATTACH_PLACE_UNFIT,
        said="the map is not one of sockets, or takes no program of this type",
        source="sock_map_get_from_fd(), sock_map_prog_update() in net/core/sock_map.c",
    ),
    AttachRefusal(
        kinds=("sockmap",),
        errors=("EBUSY",),
        failure=ATTACH_PLACE_TAKEN,
        said="the map has a verdict of the other kind: /verdict or /stream_verdict",
        source="sock_map_prog_lookup() in net/core/sock_map.c, 5.13",
    ),
    AttachRefusal(
        kinds=("cgroup",),
        errors=("ENOENT", "ENOTDIR"),
        failure=USER_TARGET_MISSING,
        said="the guest has no such folder of a control group",
        source="openat() in images/agent/target.c",
    ),
    AttachRefusal(
        kinds=("cgroup",),
        errors=("EBADF",),
        failure=CGROUP_VERSION,
        said="the folder is of version 1, and groups of version 2 have programs",
        source="cgroup_get_from_fd() in kernel/cgroup/cgroup.c, where there are no "
        "links, before 5.7",
    ),
    # --------------------------------------------------------------------- struct_ops
    AttachRefusal(
        kinds=("struct_ops",),
        errors=("EEXIST", "EBUSY"),
        failure=ATTACH_PLACE_TAKEN,
        said="the kernel has one of that name already, or takes no second one of its "
        "kind",
        source="tcp_register_congestion_control() in net/ipv4/tcp_cong.c: -EEXIST; "
        "scx_ops_enable() in kernel/sched/ext.c, 6.12: -EBUSY",
    ),
    AttachRefusal(
        kinds=("struct_ops",),
        errors=("EINVAL",),
        failure=ATTACH_PLACE_UNFIT,
        said="the struct lacks what the kernel asks of its kind, such as a function or "
        "a name",
        source="tcp_register_congestion_control() in net/ipv4/tcp_cong.c wants "
        "ssthresh, undo_cwnd, and cong_avoid or cong_control",
    ),
    # ------------------------------------------------------------------------- probes
    AttachRefusal(
        kinds=_MULTI,
        errors=_UNKNOWN,
        failure=ATTACH_KIND_MISSING,
        said="the kernel has no multi-kprobes: they were added in 5.18, and need "
        "CONFIG_FPROBE",
        source="0dcac2725406; without the option bpf_kprobe_multi_link_attach() in "
        "kernel/trace/bpf_trace.c returns -EOPNOTSUPP",
        lacking=("link", "kprobe_multi"),
    ),
    AttachRefusal(
        kinds=_MULTI,
        errors=("ENOENT", "ESRCH"),
        failure=ATTACH_TARGET_MISSING,
        said="no function has such a name, or one of them can't be attached to, which "
        "libbpf before 1.3 does not look for",
        source="bpf_program__attach_kprobe_multi_opts() in libbpf, and "
        "ftrace_set_filter_ips() in kernel/trace/ftrace.c",
    ),
    AttachRefusal(
        kinds=_USER_MULTI,
        errors=_UNKNOWN,
        failure=ATTACH_KIND_MISSING,
        said="multi-uprobes were added in 6.6",
        source="89ae89f53d20; link_create() in kernel/bpf/syscall.c before",
        lacking=("link", "uprobe_multi"),
    ),
    AttachRefusal(
        kinds=_USER_MULTI,
        errors=("ENOENT", "ENOEXEC"),
        failure=USER_TARGET_MISSING,
        said="the guest has no such file, or no function in it has such a name",
        source="symbols_offsets() in images/agent/symbols.c",
    ),
    AttachRefusal(
        kinds=("perf_event",),
        errors=("ENOENT", "EOPNOTSUPP", "ENODEV"),
        failure=ATTACH_TARGET_MISSING,
        said="the guest's processor has no such counter; QEMU emulates none, and "
        "cpu-clock, page-faults and context-switches are the kernel's own",
        source="perf_try_init_event() and x86_pmu_event_init()",
    ),
    AttachRefusal(
        kinds=("iter",),
        errors=("ENOENT",),
        failure=ATTACH_PLACE_UNFIT,
        said="the object has no such map",
        source="attach_iterator() in images/agent/attach_probe.c",
    ),
    AttachRefusal(
        kinds=("iter",),
        errors=("EINVAL", "EACCES", "EBADF"),
        failure=ATTACH_PLACE_UNFIT,
        said="the map's type, key or value is not what this iterator walks",
        source="bpf_iter_attach_map() in kernel/bpf/map_iter.c, 5.9; also "
        "net/core/bpf_sk_storage.c and sock_map.c",
    ),
)


def find(place: str, errno_name: str | None, lacks: Lacks) -> AttachRefusal | None:
    """Return what an errno means of a place; None where nobody knows."""
    kind = place.partition("/")[0]
    for row in ROWS:
        if kind not in row.kinds or errno_name not in row.errors:
            continue
        if not place.endswith(row.ending):
            continue
        if row.lacking is None or lacks(*row.lacking):
            return row
    return None


def classified(
    place: str, errno_name: str | None, message: str, lacks: Lacks
) -> Classification | None:
    """Return the class of a refused attachment; None where nobody knows.

    `message` is the agent's.
    """
    row = find(place, errno_name, lacks) if place else None
    if row is None:
        return None
    return Classification(
        name=row.failure.name,
        line=f"{message} ({row.said})",
        cure=row.failure.explanation,
    )
