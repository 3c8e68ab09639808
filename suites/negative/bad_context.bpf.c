// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A read behind the end of the context. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int reads_behind_its_context(struct __sk_buff *skb)
{
	int value;

	asm volatile("%0 = *(u32 *)(%1 + 4000)" : "=r"(value) : "r"(skb));
	return value;
}

char _license[] SEC("license") = "Dual BSD/GPL";
