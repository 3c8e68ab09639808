// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The address of a function, which a helper calls; upstream 5.13. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 7);
	__type(key, __u32);
	__type(value, __u32);
} rows SEC(".maps");

static long each(void *map, __u32 *key, __u32 *value, void *context)
{
	*value = *key + 1;
	return 0;
}

SEC("socket")
int walks(struct __sk_buff *skb)
{
	return bpf_for_each_map_elem(&rows, each, 0, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
