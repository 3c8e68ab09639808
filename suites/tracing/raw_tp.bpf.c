// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A raw tracepoint: the arguments of the kernel's trace_sched_process_fork(). */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	int pid;
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} parents SEC(".maps");

SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (void *)ctx->args[1], *parent = 0;
	__u32 pid = 0, parent_pid = 0;

	bpf_core_read(&pid, sizeof(pid), &child->pid);
	bpf_core_read(&parent, sizeof(parent), &child->real_parent);
	bpf_core_read(&parent_pid, sizeof(parent_pid), &parent->pid);
	bpf_map_update_elem(&parents, &pid, &parent_pid, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
