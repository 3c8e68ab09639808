// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts the answers to pings that arrive at an interface, by their source. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ECHO_REPLY 0 /* of ICMP, its first byte */

struct source {
	__u32 address;
	__u8 mac[ETH_ALEN];
	__u16 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct source);
	__type(value, __u64);
} answers SEC(".maps");

SEC("xdp")
int on_arrival(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u8 *icmp = (void *)(ip + 1);
	struct source source = {};
	__u64 one = 1, *count;

	if ((void *)(icmp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) ||
	    ip->protocol != IPPROTO_ICMP || *icmp != ECHO_REPLY)
		return XDP_PASS;
	source.address = bpf_ntohl(ip->saddr);
	__builtin_memcpy(source.mac, ethernet->h_source, ETH_ALEN);
	count = bpf_map_lookup_elem(&answers, &source);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&answers, &source, &one, BPF_ANY);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
