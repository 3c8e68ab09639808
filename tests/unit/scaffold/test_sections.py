import re

import pytest

from runner.scaffold.hooks import HOOKS, Action
from runner.scaffold.sections import SECTIONS, Way, kind_of
from runner.suites.suitefile import BUILT_IN

# section_defs[] of libbpf 1.1 (`strings libbpf.so.1`) and what 1.2 to 1.5 added. A "+"
# stands for what a section names.
_SECTIONS = """
socket sk_reuseport/migrate sk_reuseport kprobe+ uprobe+ uprobe.s+ kretprobe+
uretprobe+ uretprobe.s+ kprobe.multi+ kretprobe.multi+ ksyscall+ kretsyscall+ usdt+ tc
classifier action tracepoint+ tp+ raw_tracepoint+ raw_tp+ raw_tracepoint.w+ raw_tp.w+
tp_btf+ fentry+ fmod_ret+ fexit+ fentry.s+ fmod_ret.s+ fexit.s+ freplace+ lsm+ lsm.s+
lsm_cgroup+ iter+ iter.s+ syscall xdp.frags/devmap xdp/devmap xdp.frags/cpumap
xdp/cpumap xdp.frags xdp perf_event lwt_in lwt_out lwt_xmit lwt_seg6local sockops
sk_skb/stream_parser sk_skb/stream_verdict sk_skb sk_msg lirc_mode2 flow_dissector
cgroup_skb/ingress cgroup_skb/egress cgroup/skb cgroup/sock_create cgroup/sock_release
cgroup/sock cgroup/post_bind4 cgroup/post_bind6 cgroup/bind4 cgroup/bind6
cgroup/connect4 cgroup/connect6 cgroup/sendmsg4 cgroup/sendmsg6 cgroup/recvmsg4
cgroup/recvmsg6 cgroup/getpeername4 cgroup/getpeername6 cgroup/getsockname4
cgroup/getsockname6 cgroup/sysctl cgroup/getsockopt cgroup/setsockopt cgroup/dev
struct_ops+ sk_lookup struct_ops.s+ uprobe.multi+ uretprobe.multi+ uprobe.multi.s+
uretprobe.multi.s+ tc/ingress tc/egress tcx/ingress tcx/egress netkit/primary
netkit/peer usdt.s+ netfilter kprobe.session+ uprobe.session+ uprobe.session.s+
cgroup/connect_unix cgroup/sendmsg_unix cgroup/recvmsg_unix cgroup/getpeername_unix
cgroup/getsockname_unix sk_skb/verdict
"""
LIBBPF = tuple(re.findall(r"\S+", _SECTIONS))
PLACES = {
    "tp": "sched/sched_switch",
    "tracepoint": "sched/sched_switch",
    "iter": "task",
}


def whole(section: str) -> str:
    """Return a section with something that it names."""
    kind = section.removesuffix("+")
    place = PLACES.get(kind.partition(".")[0], "vfs_read")
    return f"{kind}/{place}" if section.endswith("+") else kind


@pytest.mark.parametrize("section", LIBBPF)
def test_each_section_of_libbpf_has_a_row(section: str) -> None:
    kind = kind_of(whole(section))

    assert kind in SECTIONS
    # What does not run says why, and what to do about it.
    assert kind.way not in (Way.LOADED, Way.LEFT_OUT) or kind.note
    assert kind.way is not Way.PLACED or (kind.attach and kind.actions)


@pytest.mark.parametrize(
    ("section", "type_", "way"),
    [
        ("tracepoint/syscalls/sys_enter_openat", "tracepoint", Way.HOOKED),
        ("kprobe.multi/vfs_*", "kprobe", Way.HOOKED),
        ("raw_tp.w/bpf_test", "raw_tracepoint_writable", Way.HOOKED),
        ("xdp", "xdp", Way.PLACED),
        ("xdp/devmap", "xdp", Way.LOADED),
        ("xdp.frags/devmap", "xdp", Way.LOADED),
        ("xdp_count", "xdp", Way.PLACED),
        ("tc", "sched_cls", Way.TEST_RUN),
        ("iter/bpf_map_elem", "tracing", Way.LOADED),
        ("iter.s/task", "tracing", Way.ITERATED),
        # It would cut the guest off.
        ("cgroup_skb/ingress", "cgroup_skb", Way.TEST_RUN),
        ("cgroup/skb", "cgroup_skb", Way.TEST_RUN),
        ("kprobe", "", Way.LOADED),
        ("uprobe//usr/bin/tool:main", "kprobe", Way.LOADED),
        ("of_our_own", "", Way.LOADED),
    ],
)
def test_a_section_says_how_its_program_runs(
    section: str, type_: str, way: Way
) -> None:
    kind = kind_of(section)

    assert (kind.type, kind.way) == (type_, way)


@pytest.mark.parametrize(
    ("section", "trigger"),
    [
        ("tracepoint/syscalls/sys_enter_openat", "openat"),
        ("tp/syscalls/sys_exit_execve", "started"),
        ("tp/sched/sched_process_exec", "started"),
        ("ksyscall/getpgid", "getpgid"),
        ("kprobe/__x64_sys_openat", "openat"),
        ("kretprobe/do_sys_openat2", "openat"),
        ("fentry/vfs_read+0x4", "reader"),
        ("lsm/file_open", "openat"),
        ("lsm.s/bprm_committed_creds", "started"),
        ("kprobe/tcp_v4_connect", "connected"),
        ("tp/sock/inet_sock_set_state", "tcp"),
        ("tp_btf/sched_switch", "rest"),
        ("raw_tp/sys_enter", "getpid"),
        ("fexit/do_unlinkat", "changes"),
    ],
)
def test_a_place_is_reached_by_a_trigger(section: str, trigger: str) -> None:
    hook = kind_of(section).hook(section)

    assert hook is not None
    assert hook.action.name == trigger


def test_nothing_is_known_of_other_places() -> None:
    section = "kprobe/no_such_function"
    assert kind_of(section).hook(section) is None


def test_a_name_means_one_action() -> None:
    known: dict[str, Action] = {}
    for hook in HOOKS:
        assert known.setdefault(hook.action.name, hook.action) is hook.action
        # Names that every suite has already.
        assert hook.action.name not in BUILT_IN
