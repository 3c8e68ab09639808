/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counts packets where they come in and where they leave. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum place { INGRESS, EGRESS, XDP, NETFILTER, PLACES };

struct seen {
	__u32 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

/* Of the packets that a case sends, by their length on the loopback: Ethernet, IP, UDP,
 * and 1000 bytes. Others come and go, too.
 */
#define PAYLOAD 1000
#define SHORTEST (20 + 8 + PAYLOAD)
#define LONGEST (14 + 40 + 8 + PAYLOAD)

static __always_inline void count(__u32 place, __u32 length)
{
	struct seen *counted = bpf_map_lookup_elem(&seen, &place);

	if (!counted || length < SHORTEST || length > LONGEST)
		return;
	counted->packets++;
	counted->bytes = length;
}

SEC("tc")
int on_ingress(struct __sk_buff *skb)
{
	count(INGRESS, skb->len);
	return -1; /* TC_ACT_UNSPEC, and TCX_NEXT: goes on. */
}

SEC("tc")
int on_egress(struct __sk_buff *skb)
{
	count(EGRESS, skb->len);
	return -1;
}

SEC("xdp")
int on_arrival(struct xdp_md *context)
{
	count(XDP, context->data_end - context->data);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
