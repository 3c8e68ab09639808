/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A map of maps that leaves to its loader what these are like. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} template SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} outer SEC(".maps");

SEC("tc")
int look(struct __sk_buff *skb)
{
	__u32 zero = 0;
	void *inner = bpf_map_lookup_elem(&outer, &zero);
	__u64 *value;

	if (!inner)
		return 7;
	/* Only a verifier that knows what is in there accepts this. */
	value = bpf_map_lookup_elem(inner, &zero);
	return value ? (int)*value : 8;
}

char _license[] SEC("license") = "GPL";
