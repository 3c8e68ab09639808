// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A jump that compares the lower half of a register (-mcpu=v3); upstream 5.1. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int jumps(struct __sk_buff *skb)
{
	int found = 0;

	asm volatile("r1 = 0x700000005 ll;"
		     "if w1 != 5 goto +1;"
		     "%0 = 32;"
		     : "+r"(found)
		     :
		     : "r1");
	return found;
}

char _license[] SEC("license") = "Dual BSD/GPL";
