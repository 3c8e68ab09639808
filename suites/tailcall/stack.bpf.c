// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A store below the 512 bytes of stack. In assembly, because clang refuses C that needs
 * more.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/wake_up_new_task")
int too_deep(struct pt_regs *ctx)
{
	asm volatile("r1 = 0\n"
		     "*(u64 *)(r10 - 520) = r1\n" ::
			     : "r1");
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
