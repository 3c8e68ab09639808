// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A socket filter, which needs CAP_BPF and no other capability. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lengths SEC(".maps");

SEC("socket")
int length(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&lengths, &key);

	if (value)
		__sync_fetch_and_add(value, skb->len);
	return skb->len;
}

char _license[] SEC("license") = "Dual BSD/GPL";
