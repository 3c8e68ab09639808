// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts pings of IPv6 that leave an interface, by the last bytes of their ends. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ICMPV6 58
#define ECHO_REQUEST 128 /* of ICMPv6, its first byte */

struct ends {
	__u16 source, destination;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct ends);
	__type(value, __u64);
} requests SEC(".maps");

SEC("tc")
int on_departure(struct __sk_buff *skb)
{
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *ethernet = (void *)(long)skb->data;
	struct ipv6hdr *ip = (void *)(ethernet + 1);
	__u8 *icmp = (void *)(ip + 1);
	struct ends ends = {};
	__u64 one = 1, *count;

	if ((void *)(icmp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IPV6) ||
	    ip->nexthdr != ICMPV6 || *icmp != ECHO_REQUEST)
		return 0;
	ends.source = bpf_ntohs(ip->saddr.s6_addr16[7]);
	ends.destination = bpf_ntohs(ip->daddr.s6_addr16[7]);
	count = bpf_map_lookup_elem(&requests, &ends);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&requests, &ends, &one, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
