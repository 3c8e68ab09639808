// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Memory of the stack that nobody wrote, handed to a helper. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

SEC("socket")
int stores_what_nobody_wrote(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 value;

	/* The compiler is told that this writes it. */
	asm volatile("" : "=m"(value));
	return bpf_map_update_elem(&seen, &key, &value, BPF_ANY);
}

char _license[] SEC("license") = "Dual BSD/GPL";
