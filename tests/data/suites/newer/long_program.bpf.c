// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* More than 4,096 instructions; upstream 5.2. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int adds(struct __sk_buff *skb)
{
	int sum = 0;

	asm volatile(".rept 4200; %0 += 1; .endr" : "+r"(sum));
	return sum;
}

char _license[] SEC("license") = "Dual BSD/GPL";
