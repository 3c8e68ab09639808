// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A read behind the end of a map's value. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

SEC("socket")
int reads_beyond(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&seen, &key);

	return value ? value[4] : 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
