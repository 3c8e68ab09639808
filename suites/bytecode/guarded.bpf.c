// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A read that no kernel can make, behind a guard, between two that every kernel can. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int tgid;
	int field_of_no_kernel;
	int pid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} pids SEC(".maps");

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	__u32 pid = 0, tgid = 0;

	bpf_core_read(&pid, sizeof(pid), &task->pid);
	if (bpf_core_field_exists(task->field_of_no_kernel))
		bpf_core_read(&pid, sizeof(pid), &task->field_of_no_kernel);
	bpf_core_read(&tgid, sizeof(tgid), &task->tgid);
	bpf_map_update_elem(&pids, &pid, &tgid, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
