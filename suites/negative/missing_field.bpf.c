// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A field that no kernel has: its name is misspelt. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int pid;
	unsigned int __states;
} __attribute__((preserve_access_index));

SEC("kprobe/wake_up_new_task")
int reads_a_missing_field(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	__u32 state = 0;

	bpf_core_read(&state, sizeof(state), &task->__states);
	return state == 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
