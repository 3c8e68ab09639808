// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts packets that arrive at an interface, as a filter of tc. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 packets;

SEC("tc")
int on_ingress(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&packets, 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
