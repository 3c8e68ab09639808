/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counts packets where netfilter passes them on. Its type is of 6.4 (fd9c663b9ad6). */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct sk_buff {
	__u32 len;
} __attribute__((preserve_access_index));

struct nf_hook_state {
	__u8 hook, pf;
} __attribute__((preserve_access_index));

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
} __attribute__((preserve_access_index));

struct where {
	__u32 hook, length;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct where);
	__type(value, __u64);
} lengths SEC(".maps");

SEC("netfilter")
int on_packet(struct bpf_nf_ctx *context)
{
	struct where where = {context->state->hook, context->skb->len};
	__u64 one = 1, *count = bpf_map_lookup_elem(&lengths, &where);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&lengths, &where, &one, BPF_ANY);
	return 1; /* NF_ACCEPT */
}

char _license[] SEC("license") = "GPL";
