// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A tracepoint's own struct, whose fields move: a direct read is relocated like any
 * other, so that child_pid is found before and behind comms of any length.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct trace_event_raw_sched_process_fork {
	int parent_pid;
	int child_pid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} parents SEC(".maps");

SEC("tracepoint/sched/sched_process_fork")
int on_fork(struct trace_event_raw_sched_process_fork *ctx)
{
	__u32 child = ctx->child_pid, parent = ctx->parent_pid;

	bpf_map_update_elem(&parents, &child, &parent, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
