// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts packets that leave a group of cgroup version 2. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 packets;

SEC("cgroup_skb/egress")
int on_packet(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&packets, 1);
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
