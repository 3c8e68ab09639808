"""Since when upstream has types of maps and programs, and a few helpers and fields.

It counts only where nobody has booted a kernel and no BTF of it is at hand, as in the
page of coverage. Types, kinds of attachment and helpers were compared with
data/feature-versions.yaml of ebpf-docs (18ec5e93ea4b), which cites the commit of each,
and types with the features of cilium/ebpf (5ba0b3b27a92), too: all agree. A test
compares them with the header of the Linux that is installed. Fields follow their
commits, which stand behind them. Helpers and fields are those that the shipped suites
need.
"""

from collections.abc import Mapping


def _table(text: str) -> Mapping[str, str]:
    rows = (line.split() for line in text.splitlines())
    return {name: version for version, *names in rows for name in names}


MAP_TYPES = _table("""\
3.19 hash array
4.2 prog_array
4.3 perf_event_array
4.6 percpu_hash percpu_array stack_trace
4.8 cgroup_array
4.10 lru_hash lru_percpu_hash
4.11 lpm_trie
4.12 array_of_maps hash_of_maps
4.14 devmap sockmap
4.15 cpumap
4.18 xskmap sockhash
4.19 cgroup_storage reuseport_sockarray
4.20 percpu_cgroup_storage queue stack
5.2 sk_storage
5.4 devmap_hash
5.6 struct_ops
5.8 ringbuf
5.10 inode_storage
5.11 task_storage
5.16 bloom_filter
6.1 user_ringbuf
6.2 cgrp_storage
6.9 arena
6.19 insn_array
""")

PROGRAM_TYPES = _table("""\
3.19 socket_filter
4.1 kprobe sched_cls sched_act
4.7 tracepoint
4.8 xdp
4.9 perf_event
4.10 cgroup_skb cgroup_sock lwt_in lwt_out lwt_xmit
4.13 sock_ops
4.14 sk_skb
4.15 cgroup_device
4.17 sk_msg raw_tracepoint cgroup_sock_addr
4.18 lwt_seg6local lirc_mode2
4.19 sk_reuseport
4.20 flow_dissector
5.2 cgroup_sysctl raw_tracepoint_writable
5.3 cgroup_sockopt
5.5 tracing
5.6 struct_ops ext
5.7 lsm
5.9 sk_lookup
5.14 syscall
6.4 netfilter
""")

ATTACH_TYPES = _table("""\
5.5 trace_raw_tp trace_fentry trace_fexit
5.7 lsm_mac
5.8 trace_iter
""")

HELPERS = _table("""\
4.8 bpf_get_current_task
5.8 bpf_ringbuf_output
5.10 bpf_snprintf_btf
6.1 bpf_ktime_get_tai_ns
""")

# 296f781a4b78, 2f064a59a11f, f1a7941243c1. Of Debian's kernels, 5.10 lacks the second
# and 6.1 the third, and 6.12 has both.
FIELDS = _table("""\
4.7 thread_struct.fsbase
5.14 task_struct.__state
6.2 mm_struct.rss_stat.counters
""")
