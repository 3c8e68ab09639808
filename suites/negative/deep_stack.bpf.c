// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A write below the 512 bytes of stack that a program has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int writes_below_its_stack(struct __sk_buff *skb)
{
	/* By hand: the compiler refuses to. */
	asm volatile("*(u64 *)(r10 - 520) = %0" ::"r"(0));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
