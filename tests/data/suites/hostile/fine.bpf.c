// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int length(struct __sk_buff *skb)
{
	return skb->len;
}

char _license[] SEC("license") = "Dual BSD/GPL";
