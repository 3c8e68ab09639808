// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reads of struct __sk_buff, the stable view that the verifier gives of an sk_buff. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct packet {
	__u32 length;
	__u32 protocol;
	__u32 ifindex;
	__u32 mark;
	__u32 first_byte;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet);
} packets SEC(".maps");

static __always_inline void record(struct __sk_buff *skb)
{
	struct packet packet = {};
	__u32 key = 0;
	__u8 byte = 0;

	bpf_skb_load_bytes(skb, 0, &byte, sizeof(byte));
	packet.length = skb->len;
	packet.protocol = bpf_ntohs(skb->protocol);
	packet.ifindex = skb->ifindex;
	packet.mark = skb->mark;
	packet.first_byte = byte;
	bpf_map_update_elem(&packets, &key, &packet, BPF_ANY);
}

/* A socket filter sees the packet from its network header on. */
SEC("socket")
int socket_filter(struct __sk_buff *skb)
{
	record(skb);
	return skb->len;
}

/* A tc program sees the whole frame, and may write the mark. */
SEC("tc")
int classifier(struct __sk_buff *skb)
{
	record(skb);
	skb->mark = skb->mark + 1;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
