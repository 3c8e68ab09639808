// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* First in, first out; upstream 4.20. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, __u32);
} waiting SEC(".maps");

SEC("socket")
int queues(struct __sk_buff *skb)
{
	__u32 first = 3, second = 4, found = 0;

	bpf_map_push_elem(&waiting, &first, 0);
	bpf_map_push_elem(&waiting, &second, 0);
	bpf_map_pop_elem(&waiting, &found);
	return found;
}

char _license[] SEC("license") = "Dual BSD/GPL";
