"""What programs of a section and maps of a type need: a version and options.

The options are those without which include/linux/bpf_types.h (7.2) leaves the type out,
or Kconfig the place that programs of the section attach to. Versions are upstream's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runner.facts import since


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What a kernel must have for something."""

    # The first upstream version with it; empty if it is not known.
    since: str
    # Options of its configuration: "CONFIG_KPROBE_EVENTS".
    options: tuple[str, ...] = ()
    # What else there is to know, in words.
    note: str = ""


# Without these there are no programs and maps at all.
BASE = ("CONFIG_BPF", "CONFIG_BPF_SYSCALL")
# What CO-RE relocations are resolved against (5.2, e83b9f55448a).
BTF = Requirement(
    since="5.2",
    options=("CONFIG_DEBUG_INFO_BTF",),
    note="older kernels need BTF from a file",
)


@dataclass(frozen=True, kw_only=True)
class _Section:
    # The type of its programs, as since.PROGRAM_TYPES names it.
    type: str
    options: tuple[str, ...]
    # If its kind of attachment is younger than the type.
    since: str = ""


_EVENTS = ("CONFIG_BPF_EVENTS",)
_KPROBES = (*_EVENTS, "CONFIG_KPROBE_EVENTS")
_UPROBES = (*_EVENTS, "CONFIG_UPROBE_EVENTS")
_TRAMPOLINES = (*_EVENTS, "CONFIG_BPF_JIT", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS")
_FPROBES = (*_KPROBES, "CONFIG_FPROBE")
_LSM = (*_TRAMPOLINES, "CONFIG_BPF_LSM")
_CLASSIFIER = ("CONFIG_NET", "CONFIG_NET_CLS_BPF", "CONFIG_NET_CLS_ACT")
_CGROUP = ("CONFIG_CGROUP_BPF",)
_SOCKMAP = ("CONFIG_INET", "CONFIG_NET_SOCK_MSG")


def _sections(*rows: tuple[str, _Section]) -> Mapping[str, _Section]:
    return {name: section for names, section in rows for name in names.split()}


# By libbpf's words for a section, before the first "/".
_SECTIONS = _sections(
    ("socket", _Section(type="socket_filter", options=("CONFIG_NET",))),
    ("kprobe kretprobe", _Section(type="kprobe", options=_KPROBES)),
    ("ksyscall kretsyscall", _Section(type="kprobe", options=_KPROBES)),
    # 0dcac2725406, and 535a3692ba72 for sessions.
    (
        "kprobe.multi kretprobe.multi",
        _Section(type="kprobe", options=_FPROBES, since="5.18"),
    ),
    ("kprobe.session", _Section(type="kprobe", options=_FPROBES, since="6.10")),
    ("uprobe uretprobe usdt", _Section(type="kprobe", options=_UPROBES)),
    # 89ae89f53d20.
    (
        "uprobe.multi uretprobe.multi",
        _Section(type="kprobe", options=_UPROBES, since="6.6"),
    ),
    ("tp tracepoint", _Section(type="tracepoint", options=_EVENTS)),
    ("raw_tp raw_tracepoint", _Section(type="raw_tracepoint", options=_EVENTS)),
    (
        "raw_tp.w raw_tracepoint.w",
        _Section(type="raw_tracepoint_writable", options=_EVENTS),
    ),
    (
        "perf_event",
        _Section(type="perf_event", options=(*_EVENTS, "CONFIG_PERF_EVENTS")),
    ),
    (
        "tp_btf",
        _Section(type="tracing", options=(*_EVENTS, *BTF.options)),
    ),
    (
        "fentry fexit",
        _Section(type="tracing", options=(*_TRAMPOLINES, *BTF.options)),
    ),
    (
        "fmod_ret",
        _Section(
            type="tracing",
            options=(*_TRAMPOLINES, "CONFIG_FUNCTION_ERROR_INJECTION", *BTF.options),
            since="5.7",
        ),
    ),
    ("iter", _Section(type="tracing", options=(*_EVENTS, *BTF.options), since="5.8")),
    ("lsm", _Section(type="lsm", options=(*_LSM, *BTF.options))),
    # Programs that may sleep: 1e6c62a88215, and for iterators and probes in user space
    # since they may read its memory, 376040e47334 and 8c7dcb84e3b7.
    (
        "fentry.s fexit.s fmod_ret.s",
        _Section(type="tracing", options=(*_TRAMPOLINES, *BTF.options), since="5.10"),
    ),
    ("lsm.s", _Section(type="lsm", options=(*_LSM, *BTF.options), since="5.10")),
    (
        "iter.s",
        _Section(type="tracing", options=(*_EVENTS, *BTF.options), since="5.18"),
    ),
    ("uprobe.s uretprobe.s", _Section(type="kprobe", options=_UPROBES, since="6.0")),
    # 69fd337a975c.
    (
        "lsm_cgroup",
        _Section(type="lsm", options=(*_LSM, *_CGROUP, *BTF.options), since="6.0"),
    ),
    (
        "freplace",
        _Section(type="ext", options=("CONFIG_BPF_JIT", *BTF.options)),
    ),
    ("struct_ops", _Section(type="struct_ops", options=("CONFIG_BPF_JIT",))),
    ("syscall", _Section(type="syscall", options=())),
    ("tc classifier", _Section(type="sched_cls", options=_CLASSIFIER)),
    # e420bed02507.
    ("tcx", _Section(type="sched_cls", options=("CONFIG_NET_XGRESS",), since="6.6")),
    (
        "action",
        _Section(
            type="sched_act", options=("CONFIG_NET_CLS_ACT", "CONFIG_NET_ACT_BPF")
        ),
    ),
    ("xdp xdp.frags", _Section(type="xdp", options=("CONFIG_NET",))),
    ("cgroup_skb cgroup", _Section(type="cgroup_skb", options=_CGROUP)),
    ("sockops", _Section(type="sock_ops", options=_CGROUP)),
    ("sk_msg", _Section(type="sk_msg", options=_SOCKMAP)),
    (
        "sk_skb",
        _Section(type="sk_skb", options=(*_SOCKMAP, "CONFIG_BPF_STREAM_PARSER")),
    ),
    ("sk_lookup", _Section(type="sk_lookup", options=("CONFIG_INET",))),
    ("sk_reuseport", _Section(type="sk_reuseport", options=("CONFIG_INET",))),
    ("flow_dissector", _Section(type="flow_dissector", options=("CONFIG_NET",))),
    ("lwt_in", _Section(type="lwt_in", options=("CONFIG_LWTUNNEL_BPF",))),
    ("lwt_out", _Section(type="lwt_out", options=("CONFIG_LWTUNNEL_BPF",))),
    ("lwt_xmit", _Section(type="lwt_xmit", options=("CONFIG_LWTUNNEL_BPF",))),
    (
        "lwt_seg6local",
        _Section(type="lwt_seg6local", options=("CONFIG_IPV6_SEG6_BPF",)),
    ),
    ("lirc_mode2", _Section(type="lirc_mode2", options=("CONFIG_BPF_LIRC_MODE2",))),
    ("netfilter", _Section(type="netfilter", options=("CONFIG_NETFILTER_BPF_LINK",))),
)

# Options of maps' types; the others have none of their own.
_MAP_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "stack_trace": ("CONFIG_PERF_EVENTS",),
    "perf_event_array": ("CONFIG_PERF_EVENTS",),
    "cgroup_array": ("CONFIG_CGROUPS",),
    "cgrp_storage": ("CONFIG_CGROUPS",),
    "cgroup_storage": ("CONFIG_CGROUP_BPF",),
    "percpu_cgroup_storage": ("CONFIG_CGROUP_BPF",),
    "devmap": ("CONFIG_NET",),
    "devmap_hash": ("CONFIG_NET",),
    "cpumap": ("CONFIG_NET",),
    "sk_storage": ("CONFIG_NET",),
    "xskmap": ("CONFIG_XDP_SOCKETS",),
    "sockmap": _SOCKMAP,
    "sockhash": _SOCKMAP,
    "reuseport_sockarray": ("CONFIG_INET",),
    "inode_storage": ("CONFIG_BPF_LSM",),
    "struct_ops": ("CONFIG_BPF_JIT",),
    "arena": ("CONFIG_MMU", "CONFIG_64BIT"),
}

# What libbpf calls where a kernel has no newer helper.
_OLDER = {
    "bpf_probe_read_kernel": "bpf_probe_read",
    "bpf_probe_read_user": "bpf_probe_read",
    "bpf_probe_read_kernel_str": "bpf_probe_read_str",
    "bpf_probe_read_user_str": "bpf_probe_read_str",
}


def of_section(section: str) -> Requirement:
    """Return what programs of a section need: "?kprobe/wake_up_new_task"."""
    whole = section.removeprefix("?")
    prefix, _, target = whole.partition("/")
    found = _SECTIONS.get(prefix)
    if found is None:
        return Requirement(since="")
    options = found.options
    if found.type == "tracepoint" and target.startswith("syscalls/"):
        options += ("CONFIG_FTRACE_SYSCALLS",)
    oldest = found.since or since.PROGRAM_TYPES[found.type]
    return Requirement(since=oldest, options=options)


def of_map(type_: str) -> Requirement:
    """Return what maps of a type need: "ringbuf"."""
    return Requirement(
        since=since.MAP_TYPES.get(type_, ""), options=_MAP_OPTIONS.get(type_, ())
    )


def of_helper(name: str) -> Requirement:
    """Return what calls of a helper need: "bpf_loop"."""
    older = _OLDER.get(name)
    note = f"libbpf calls {older} on older kernels" if older else ""
    return Requirement(since=since.HELPERS.get(name, ""), note=note)
