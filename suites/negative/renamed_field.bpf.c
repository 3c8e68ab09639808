// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The name that a field has had up to 5.13, read as if every kernel had it. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	volatile long state;
} __attribute__((preserve_access_index));

SEC("kprobe/wake_up_new_task")
int reads_the_old_name(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	long state = 0;

	bpf_core_read(&state, sizeof(state), &task->state);
	return state == 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
