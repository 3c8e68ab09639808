// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* BPF_CORE_READ(), whose variable 4.4 wants to be initialised. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

SEC("kprobe/wake_up_new_task")
int reads_by_the_macro(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);

	return BPF_CORE_READ(task, pid) == 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
