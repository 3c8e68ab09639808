// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* bpf_ktime_get_tai_ns(), which came with 6.1. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int calls_a_newer_helper(struct __sk_buff *skb)
{
	return bpf_ktime_get_tai_ns() != 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
