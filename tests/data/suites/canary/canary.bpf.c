// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reads one field right and the next one at a wrong offset, as a program does that was
 * compiled for another kernel.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));

struct seen {
	__u32 pid;
	__u32 shifted;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct seen);
} tasks SEC(".maps");

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	struct seen seen = {};

	bpf_core_read(&seen.pid, sizeof(seen.pid), &task->pid);
	bpf_probe_read(&seen.shifted, sizeof(seen.shifted),
		       (void *)__builtin_preserve_access_index(&task->tgid) + 8);
	bpf_map_update_elem(&tasks, &seen.pid, &seen, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
