// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* An instruction behind the end. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int has_dead_code(struct __sk_buff *skb)
{
	asm volatile("r0 = 0\n"
		     "exit\n" ::
			     : "r0");
	asm volatile("r0 = 1" ::: "r0");
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
