// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A loop that ends; upstream 5.3. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define TURNS 10

SEC("socket")
int loops(struct __sk_buff *skb)
{
	int sum = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < TURNS; i++) {
		/* So that the compiler does not do the sum itself. */
		asm volatile("%0 += %1" : "+r"(sum) : "r"(i));
	}
	return sum;
}

char _license[] SEC("license") = "Dual BSD/GPL";
