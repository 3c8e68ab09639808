// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* More branches than the 8192 of which the verifier remembers the other side. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int branches_too_often(struct __sk_buff *skb)
{
	/* Neither side of any of them tells what the next one does. */
	asm volatile("r0 = *(u32 *)(%0 + 0)\n"
		     ".rept 8200\n"
		     "if r0 == 77 goto 1f\n"
		     ".endr\n"
		     "1: r0 = 0\n" ::"r"(skb)
		     : "r0");
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
