// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The tracepoint sched_switch passes the task's state on from 5.18 on (fa2c3254d7cf).
 * A kernel attaches no raw program that reads more than its tracepoint passes on.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} states SEC(".maps");

SEC("raw_tp/sched_switch")
int leaves(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[1];
	__u32 pid = BPF_CORE_READ(task, pid), state = ctx->args[3];

	bpf_map_update_elem(&states, &pid, &state, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
