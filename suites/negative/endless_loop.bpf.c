// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A loop that does not end. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int never_ends(struct __sk_buff *skb)
{
	for (;;)
		asm volatile("");
}

char _license[] SEC("license") = "Dual BSD/GPL";
