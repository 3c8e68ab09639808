// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Variables of .data and .bss; upstream 5.2. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int length = 36;
int packets;

SEC("socket")
int reads(struct __sk_buff *skb)
{
	packets++;
	length += packets;
	return length;
}

char _license[] SEC("license") = "Dual BSD/GPL";
