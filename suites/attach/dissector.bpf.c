/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counts packets whose flow the kernel asks for. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("flow_dissector")
int on_packet(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
	return 0; /* BPF_OK: keys are as they are. */
}

char _license[] SEC("license") = "GPL";
