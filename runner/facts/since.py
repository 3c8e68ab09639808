"""Since when upstream has types of maps and programs, helpers, and a few fields.

It counts only where nobody has booted a kernel and no BTF of it is at hand, as in the
page of coverage, and where a report says what a kernel must have. Types, kinds of
attachment and helpers were compared with data/feature-versions.yaml of ebpf-docs
(18ec5e93ea4b), which cites the commit of each, and types with the features of
cilium/ebpf (5ba0b3b27a92), too: all agree, but for the first helpers, which came with
the first programs that could be loaded, and bpf_get_prandom_u32 (03e69b508b6f). A test
compares them with the header of the Linux that is installed. Fields follow their
commits, which stand behind them; they are those that the shipped suites need.
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
4.10 cgroup_inet_ingress cgroup_inet_egress cgroup_inet_sock_create
4.13 cgroup_sock_ops
4.14 sk_skb_stream_parser sk_skb_stream_verdict
4.15 cgroup_device
4.17 sk_msg_verdict cgroup_inet4_bind cgroup_inet6_bind cgroup_inet4_connect
4.17 cgroup_inet6_connect cgroup_inet4_post_bind cgroup_inet6_post_bind
4.18 cgroup_udp4_sendmsg cgroup_udp6_sendmsg lirc_mode2
4.20 flow_dissector
5.2 cgroup_sysctl cgroup_udp4_recvmsg cgroup_udp6_recvmsg
5.3 cgroup_getsockopt cgroup_setsockopt
5.5 trace_raw_tp trace_fentry trace_fexit
5.7 modify_return lsm_mac
5.8 trace_iter cgroup_inet4_getpeername cgroup_inet6_getpeername
5.8 cgroup_inet4_getsockname cgroup_inet6_getsockname xdp_devmap
5.9 cgroup_inet_sock_release xdp_cpumap sk_lookup xdp
5.13 sk_skb_verdict
5.14 sk_reuseport_select sk_reuseport_select_or_migrate
5.15 perf_event
5.18 trace_kprobe_multi
6.0 lsm_cgroup
6.4 struct_ops netfilter
6.6 tcx_ingress tcx_egress trace_uprobe_multi
6.7 cgroup_unix_connect cgroup_unix_sendmsg cgroup_unix_recvmsg
6.7 cgroup_unix_getpeername cgroup_unix_getsockname netkit_primary netkit_peer
6.10 trace_kprobe_session
6.13 trace_uprobe_session
""")

# Links are of 5.7; their kinds have numbers since 5.8 (f2e10bff16a0).
LINK_TYPES = _table("""\
5.8 raw_tracepoint tracing cgroup iter netns
5.9 xdp
5.15 perf_event
5.18 kprobe_multi
5.19 struct_ops
6.4 netfilter
6.6 tcx uprobe_multi
6.7 netkit
6.10 sockmap
""")

HELPERS = _table("""\
3.19 bpf_map_lookup_elem bpf_map_update_elem bpf_map_delete_elem
4.1 bpf_probe_read bpf_ktime_get_ns bpf_trace_printk bpf_get_prandom_u32
4.1 bpf_get_smp_processor_id bpf_skb_store_bytes bpf_l3_csum_replace
4.1 bpf_l4_csum_replace
4.2 bpf_tail_call bpf_clone_redirect bpf_get_current_pid_tgid
4.2 bpf_get_current_uid_gid bpf_get_current_comm
4.3 bpf_get_cgroup_classid bpf_skb_vlan_push bpf_skb_vlan_pop bpf_skb_get_tunnel_key
4.3 bpf_skb_set_tunnel_key bpf_perf_event_read
4.4 bpf_redirect bpf_get_route_realm bpf_perf_event_output
4.5 bpf_skb_load_bytes
4.6 bpf_get_stackid bpf_csum_diff bpf_skb_get_tunnel_opt bpf_skb_set_tunnel_opt
4.8 bpf_skb_change_proto bpf_skb_change_type bpf_skb_under_cgroup
4.8 bpf_get_hash_recalc bpf_get_current_task bpf_probe_write_user
4.9 bpf_current_task_under_cgroup bpf_skb_change_tail bpf_skb_pull_data
4.9 bpf_csum_update bpf_set_hash_invalid
4.10 bpf_get_numa_node_id bpf_skb_change_head bpf_xdp_adjust_head
4.11 bpf_probe_read_str
4.12 bpf_get_socket_cookie bpf_get_socket_uid
4.13 bpf_set_hash bpf_setsockopt bpf_skb_adjust_room
4.14 bpf_redirect_map bpf_sk_redirect_map bpf_sock_map_update
4.15 bpf_xdp_adjust_meta bpf_perf_event_read_value bpf_perf_prog_read_value
4.15 bpf_getsockopt
4.16 bpf_override_return bpf_sock_ops_cb_flags_set
4.17 bpf_msg_redirect_map bpf_msg_apply_bytes bpf_msg_cork_bytes bpf_msg_pull_data
4.17 bpf_bind
4.18 bpf_xdp_adjust_tail bpf_skb_get_xfrm_state bpf_get_stack
4.18 bpf_skb_load_bytes_relative bpf_fib_lookup bpf_sock_hash_update
4.18 bpf_msg_redirect_hash bpf_sk_redirect_hash bpf_lwt_push_encap
4.18 bpf_lwt_seg6_store_bytes bpf_lwt_seg6_adjust_srh bpf_lwt_seg6_action
4.18 bpf_rc_repeat bpf_rc_keydown bpf_skb_cgroup_id bpf_get_current_cgroup_id
4.19 bpf_get_local_storage bpf_sk_select_reuseport bpf_skb_ancestor_cgroup_id
4.20 bpf_sk_lookup_tcp bpf_sk_lookup_udp bpf_sk_release bpf_map_push_elem
4.20 bpf_map_pop_elem bpf_map_peek_elem bpf_msg_push_data
5.0 bpf_msg_pop_data bpf_rc_pointer_rel
5.1 bpf_spin_lock bpf_spin_unlock bpf_sk_fullsock bpf_tcp_sock bpf_skb_ecn_set_ce
5.1 bpf_get_listener_sock
5.2 bpf_skc_lookup_tcp bpf_tcp_check_syncookie bpf_sysctl_get_name
5.2 bpf_sysctl_get_current_value bpf_sysctl_get_new_value bpf_sysctl_set_new_value
5.2 bpf_strtol bpf_strtoul bpf_sk_storage_get bpf_sk_storage_delete
5.3 bpf_send_signal
5.4 bpf_tcp_gen_syncookie
5.5 bpf_skb_output bpf_probe_read_user bpf_probe_read_kernel bpf_probe_read_user_str
5.5 bpf_probe_read_kernel_str
5.6 bpf_tcp_send_ack bpf_send_signal_thread bpf_jiffies64
5.7 bpf_read_branch_records bpf_get_ns_current_pid_tgid bpf_xdp_output
5.7 bpf_get_netns_cookie bpf_get_current_ancestor_cgroup_id bpf_sk_assign
5.8 bpf_ktime_get_boot_ns bpf_seq_printf bpf_seq_write bpf_sk_cgroup_id
5.8 bpf_sk_ancestor_cgroup_id bpf_ringbuf_output bpf_ringbuf_reserve
5.8 bpf_ringbuf_submit bpf_ringbuf_discard bpf_ringbuf_query bpf_csum_level
5.9 bpf_skc_to_tcp6_sock bpf_skc_to_tcp_sock bpf_skc_to_tcp_timewait_sock
5.9 bpf_skc_to_tcp_request_sock bpf_skc_to_udp6_sock bpf_get_task_stack
5.10 bpf_load_hdr_opt bpf_store_hdr_opt bpf_reserve_hdr_opt bpf_inode_storage_get
5.10 bpf_inode_storage_delete bpf_d_path bpf_copy_from_user bpf_snprintf_btf
5.10 bpf_seq_printf_btf bpf_skb_cgroup_classid bpf_redirect_neigh bpf_per_cpu_ptr
5.10 bpf_this_cpu_ptr bpf_redirect_peer
5.11 bpf_task_storage_get bpf_task_storage_delete bpf_get_current_task_btf
5.11 bpf_bprm_opts_set bpf_ktime_get_coarse_ns bpf_ima_inode_hash bpf_sock_from_file
5.12 bpf_check_mtu
5.13 bpf_for_each_map_elem bpf_snprintf
5.14 bpf_sys_bpf bpf_btf_find_by_name_kind bpf_sys_close
5.15 bpf_timer_init bpf_timer_set_callback bpf_timer_start bpf_timer_cancel
5.15 bpf_get_func_ip bpf_get_attach_cookie bpf_task_pt_regs
5.16 bpf_get_branch_snapshot bpf_trace_vprintk bpf_skc_to_unix_sock
5.16 bpf_kallsyms_lookup_name
5.17 bpf_find_vma bpf_loop bpf_strncmp bpf_get_func_arg bpf_get_func_ret
5.17 bpf_get_func_arg_cnt
5.18 bpf_get_retval bpf_set_retval bpf_xdp_get_buff_len bpf_xdp_load_bytes
5.18 bpf_xdp_store_bytes bpf_copy_from_user_task bpf_skb_set_tstamp bpf_ima_file_hash
5.19 bpf_kptr_xchg bpf_map_lookup_percpu_elem bpf_skc_to_mptcp_sock
5.19 bpf_dynptr_from_mem bpf_ringbuf_reserve_dynptr bpf_ringbuf_submit_dynptr
5.19 bpf_ringbuf_discard_dynptr bpf_dynptr_read bpf_dynptr_write bpf_dynptr_data
6.0 bpf_tcp_raw_gen_syncookie_ipv4 bpf_tcp_raw_gen_syncookie_ipv6
6.0 bpf_tcp_raw_check_syncookie_ipv4 bpf_tcp_raw_check_syncookie_ipv6
6.1 bpf_ktime_get_tai_ns bpf_user_ringbuf_drain
6.2 bpf_cgrp_storage_get bpf_cgrp_storage_delete
""")

# 296f781a4b78, 2f064a59a11f, f1a7941243c1. Of Debian's kernels, 5.10 lacks the second
# and 6.1 the third, and 6.12 has both.
FIELDS = _table("""\
4.7 thread_struct.fsbase
5.14 task_struct.__state
6.2 mm_struct.rss_stat.counters
""")
