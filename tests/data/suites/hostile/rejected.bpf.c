// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reads what is not initialised, which every verifier refuses. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int reads_uninitialised(struct __sk_buff *skb)
{
	int value;

	/* r7 is never written. */
	asm volatile("%0 = r7" : "=r"(value));
	return value;
}

char _license[] SEC("license") = "Dual BSD/GPL";
