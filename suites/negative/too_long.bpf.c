// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* More instructions than the 4096 that a program had up to 5.1. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int goes_on_and_on(struct __sk_buff *skb)
{
	int sum = 0;

	asm volatile(".rept 4200\n"
		     "%0 += 1\n"
		     ".endr\n"
		     : "+r"(sum));
	return sum;
}

char _license[] SEC("license") = "Dual BSD/GPL";
