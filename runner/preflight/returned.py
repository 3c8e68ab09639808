"""What helpers and kernel functions return that points to a struct.

Helpers by their prototypes: `ret_type` and `ret_btf_id` in kernel/trace/bpf_trace.c,
kernel/bpf/helpers.c and net/core/filter.c, read in 6.1 and 6.12, and bpf_helper_defs.h
of libbpf, which a test compares with these tables. No helper was added since 6.2.
Kernel functions return what their prototypes in the kernel's BTF say, but for those
that check_kfunc_call() in kernel/bpf/verifier.c names, read in 6.12.
"""

from collections.abc import Mapping

# bpf_get_current_task() returns a number; all others pointers that the verifier knows.
CURRENT_TASK = 35
STRUCTS: Mapping[int, str] = {
    CURRENT_TASK: "task_struct",
    136: "tcp6_sock",  # bpf_skc_to_tcp6_sock()
    137: "tcp_sock",  # bpf_skc_to_tcp_sock()
    138: "tcp_timewait_sock",  # bpf_skc_to_tcp_timewait_sock()
    139: "tcp_request_sock",  # bpf_skc_to_tcp_request_sock()
    140: "udp6_sock",  # bpf_skc_to_udp6_sock()
    158: "task_struct",  # bpf_get_current_task_btf()
    162: "socket",  # bpf_sock_from_file()
    175: "pt_regs",  # bpf_task_pt_regs()
    178: "unix_sock",  # bpf_skc_to_unix_sock()
    196: "mptcp_sock",  # bpf_skc_to_mptcp_sock()
}
# bpf_per_cpu_ptr() and bpf_this_cpu_ptr(): one processor's copy of what they are given.
PER_CPU = frozenset({153, 154})
# bpf_kptr_xchg(): what the map's value held so far.
EXCHANGE = 194
# A value of the map that they are given: bpf_map_lookup_elem(), bpf_sk_storage_get(),
# bpf_inode_storage_get(), bpf_task_storage_get(), bpf_map_lookup_percpu_elem(),
# bpf_cgrp_storage_get().
MAP_VALUES = frozenset({1, 107, 145, 156, 195, 210})
# Memory that no kernel lays out: bpf_get_local_storage(), bpf_ringbuf_reserve() and
# bpf_dynptr_data(); and struct bpf_sock and bpf_tcp_sock of the UAPI, whose offsets the
# verifier converts: bpf_sk_lookup_tcp(), bpf_sk_lookup_udp(), bpf_sk_fullsock(),
# bpf_tcp_sock(), bpf_get_listener_sock() and bpf_skc_lookup_tcp().
FIXED = frozenset({81, 131, 203, 84, 85, 95, 96, 98, 99})

# bpf_find_vma() calls a function of the program with these.
GIVEN: Mapping[int, tuple[int, tuple[str, ...]]] = {
    180: (2, ("task_struct", "vm_area_struct"))
}

# A pointer to the type whose id they are given, of the kernel or of the object.
CAST = "bpf_rdonly_cast"
MADE = frozenset({"bpf_obj_new_impl", "bpf_obj_new"})
# The kernel's own struct behind a program's context.
CONTEXT_CAST = "bpf_cast_to_kern_ctx"
# Members of programs' own structs, by whose names kernel functions return these.
OF_PROGRAMS = frozenset({"bpf_list_node", "bpf_rb_node"})

# Which argument decides what a call returns.
DECIDING: Mapping[int | str, int] = {
    **dict.fromkeys(PER_CPU, 0),
    **dict.fromkeys(MAP_VALUES, 0),
    EXCHANGE: 0,
    CAST: 1,
    CONTEXT_CAST: 0,
    **dict.fromkeys(MADE, 0),
}


def plain(name: str) -> str:
    """Return a function's or struct's name without the flavor that it has."""
    return name.partition("___")[0]
