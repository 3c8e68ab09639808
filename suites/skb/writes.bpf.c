// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Fields of struct __sk_buff that programs may write, and a packet's bytes, read and
 * written in place and by helpers. Which fields may be written depends on the program's
 * type.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct seen {
	__u32 length;
	__u32 by_load;
	__u32 in_place;
	__u32 cb;
	__u32 tc_index;
	__u32 vlan_present;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} packets SEC(".maps");

/* Of a socket filter: nothing but cb, and the packet not at all. */
SEC("socket")
int filter_writes(struct __sk_buff *skb)
{
	struct seen seen = {};
	__u32 key = 0;
	__u8 byte = 0;

	skb->cb[0] = skb->len + 1;
	skb->cb[4] = 0xcb;
	bpf_skb_load_bytes(skb, 1, &byte, sizeof(byte));
	seen.length = skb->len;
	seen.by_load = byte;
	seen.cb = skb->cb[0];
	bpf_map_update_elem(&packets, &key, &seen, BPF_ANY);
	return skb->len;
}

SEC("tc")
int classifier_writes(struct __sk_buff *skb)
{
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *header = (void *)(long)skb->data;
	struct seen seen = {};
	__u32 key = 0;
	__u8 byte = 0, last = 0xee;

	if ((void *)(header + 1) > end)
		return TC_ACT_SHOT;
	bpf_skb_load_bytes(skb, 5, &byte, sizeof(byte));
	seen.length = skb->len;
	seen.by_load = byte;
	seen.in_place = header->h_dest[5];
	seen.vlan_present = skb->vlan_present;
	header->h_dest[5] = 0xdd;
	skb->priority = skb->priority * 2;
	skb->tc_index = 7;
	seen.tc_index = skb->tc_index;
	skb->cb[1] = skb->cb[0] + 1;
	seen.cb = skb->cb[1];
	/* It may move the packet: pointers into it are worth nothing from here on. */
	bpf_skb_store_bytes(skb, ETH_ALEN + ETH_ALEN - 1, &last, sizeof(last), 0);
	bpf_map_update_elem(&packets, &key, &seen, BPF_ANY);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
