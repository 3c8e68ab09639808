// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A write to a field of the context that is not the program's to write. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int writes_its_context(struct __sk_buff *skb)
{
	/* By hand: the compiler may not use skb as it is. */
	asm volatile("*(u32 *)(%0 + 0) = %1" ::"r"(skb), "r"(0));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
