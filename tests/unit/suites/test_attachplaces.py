from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.suites import suitefile
from runner.suites.attachplaces import is_looked_up, map_of, misfit

SUITE = """\
description: A suite.
cases:
  - name: a
    object: probe.bpf.o
    programs:
      p: {attach: PLACE}
    expect: [{map: m, key: 0, equals: 1}]
"""


def mistake(folder: Path, place: str) -> str:
    """Return what loading a suite says of a place; nothing when it is fine."""
    (folder / "probe.bpf.o").write_bytes(b"")
    (folder / "suite.yaml").write_text(SUITE.replace("PLACE", place))
    try:
        suitefile.load(folder / "suite.yaml")
    except UsageError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    "place",
    [
        *("kprobe/vfs_read", "kretprobe/vfs_read", "raw_tp/sched_switch", "xdp/lo"),
        *("tracepoint/sched/sched_switch", "tp/sched/sched_switch", "fentry/vfs_read"),
        *("perf_event/cpu-clock", "lsm/file_open", "lsm.s/file_open", "fexit.s/x"),
        *("cgroup/sys/fs/cgroup", "cgroup//sys/fs/cgroup", "cgroup/x"),
        *("xdp/lo/generic", "xdp/lo/native", "tc/lo/ingress", "tcx/lo/egress"),
        *("netkit/nk0/primary", "netkit/nk0/peer", "netns", "netns/run/netns/blue"),
        *("sk_lookup", "flow_dissector", "sockmap/m", "sockmap/m/stream_verdict"),
        *("netfilter/ipv4/input", "netfilter/ipv6/output/-100", "iter/bpf_map_elem/m"),
        *("kprobe.multi/vfs_*", "ksyscall/getpid", "perf_event/page-faults"),
        *("usdt/lib/libc.so.6:libc:setjmp", "uprobe.multi/bin/tool:on_*"),
        '"kprobe/${kernel.release}"',
        '"uprobe/${files.folder}/tool:main"',
        '{"<4.17": kprobe/sys_getpgid}',
    ],
)
def test_places_of_every_kind_are_accepted(tmp_path: Path, place: str) -> None:
    assert mistake(tmp_path, place) == ""


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("kprob/vfs_read", "did you mean 'kprobe'?"),
        ("tracepiont/a/b", "did you mean 'tracepoint'?"),
        ("zzz/vfs_read", "there are kprobe, kretprobe, kprobe.multi"),
        ("tc/lo", "write tc/INTERFACE/ingress or /egress"),
        ("tc/lo/out", "write tc/INTERFACE/ingress or /egress"),
        ("xdp/lo/fast", "write xdp/INTERFACE, with /generic or /native"),
        ("netfilter/ipv4/in", "the hooks are prerouting, input, forward"),
        ("netfilter/ipv5/input", "write netfilter/ipv4/HOOK"),
        ("sockmap", "write sockmap/MAP"),
        ("sockmap/m/other", "write sockmap/MAP"),
        ("nets", "did you mean 'netns'?"),
        ("iter/task", "write iter/NAME/MAP"),
        ("usdt/libc:setjmp", "write usdt/FILE:PROVIDER:NAME"),
        ("kprobe.s/vfs_read", "no kind of place is called 'kprobe.s'"),
        ("kprobe", "write kprobe/NAME"),
        ("tracepoint/sched_switch", "write tracepoint/GROUP/NAME"),
        ("kprobe/a/b", "write kprobe/NAME"),
        ("perf_event/cycels", "write perf_event/COUNTER, such as cpu-clock"),
        ("uprobe/tool", "write uprobe/FILE:SYMBOL"),
        ('{"<4.17": kprob/sys_getpgid}', "did you mean 'kprobe'?"),
        ("[{needs: {map_type: ringbuf}, use: kprob/x}]", "did you mean 'kprobe'?"),
    ],
)
def test_a_mistyped_place_is_a_mistake_before_a_boot(
    tmp_path: Path, place: str, said: str
) -> None:
    found = mistake(tmp_path, place)
    assert "suite.yaml:6: cases[0].programs.p.attach" in found
    assert said in found


@pytest.mark.parametrize(
    ("place", "section", "fits"),
    [
        ("tc/lo/egress", "tc", True),
        ("tcx/lo/egress", "?classifier/out", True),
        ("tc/lo/egress", "xdp", False),
        ("xdp/lo", "xdp.frags", True),
        ("netns", "sk_lookup/pick", True),
        ("sk_lookup", "flow_dissector", False),
        ("sockmap/m", "sk_skb/stream_verdict", True),
        ("cgroup/sys/fs/cgroup", "sockops", True),
        ("kprobe/x", "uprobe", True),
        ("fentry.s/x", "fentry/y", True),
        ("fentry/x", "fexit/y", False),
    ],
)
def test_a_place_takes_programs_of_its_kind(
    place: str, section: str, fits: bool
) -> None:
    assert (misfit(place, section) == "") is fits


def test_maps_of_places_are_known() -> None:
    assert map_of("sockmap/socks/verdict") == "socks"
    assert map_of("iter/bpf_map_elem/counts") == "counts"
    assert map_of("sockmap/${kernel.id}") is None
    assert map_of("tc/lo/egress") is None


def test_what_libbpf_looks_up_is_known() -> None:
    assert is_looked_up("fentry.s/x")
    assert not is_looked_up("kprobe/x")
