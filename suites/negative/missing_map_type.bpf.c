// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A type of map that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define BPF_MAP_TYPE_OF_NO_KERNEL 999

struct {
	__uint(type, BPF_MAP_TYPE_OF_NO_KERNEL);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} strange SEC(".maps");

SEC("socket")
int looks_into_a_strange_map(struct __sk_buff *skb)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&strange, &key) != 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
