// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A packet as XDP has it: read and written in place, and shortened at its head. A frame
 * with a VLAN's tag goes back where it came from, without the tag.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TAG_LENGTH 4

struct tagged {
	unsigned char to[ETH_ALEN];
	unsigned char from[ETH_ALEN];
	__be16 tag_protocol;
	__be16 tag;
	__be16 protocol;
};

struct seen {
	__u32 length;
	__u32 vlan;
	__u32 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} frames SEC(".maps");

SEC("xdp")
int reflect(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end, *data = (void *)(long)ctx->data;
	struct tagged *frame = data;
	struct seen seen = {};
	struct ethhdr stripped, *header;
	__u32 key = 0;

	if ((void *)(frame + 1) > end || frame->tag_protocol != bpf_htons(ETH_P_8021Q))
		return XDP_PASS;
	seen.length = end - data;
	seen.vlan = bpf_ntohs(frame->tag) & 0xfff;
	seen.protocol = bpf_ntohs(frame->protocol);
	bpf_map_update_elem(&frames, &key, &seen, BPF_ANY);

	__builtin_memcpy(stripped.h_dest, frame->from, ETH_ALEN);
	__builtin_memcpy(stripped.h_source, frame->to, ETH_ALEN);
	stripped.h_proto = frame->protocol;
	if (bpf_xdp_adjust_head(ctx, TAG_LENGTH))
		return XDP_ABORTED;
	header = (void *)(long)ctx->data;
	if ((void *)(header + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	*header = stripped;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
