// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A register that nobody wrote. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int uses_what_nobody_wrote(struct __sk_buff *skb)
{
	int value;

	asm volatile("%0 = r7" : "=r"(value));
	return value;
}

char _license[] SEC("license") = "Dual BSD/GPL";
