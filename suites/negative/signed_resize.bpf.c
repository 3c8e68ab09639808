// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A signed int taken for a signed long, loaded without a helper. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	long pid;
} __attribute__((preserve_access_index));

SEC("kprobe/wake_up_new_task")
int loads_a_resized_field(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);

	return task->pid == 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
