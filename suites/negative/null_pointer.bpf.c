// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a map lookup returns, used without a look at whether it is NULL. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

/* Not in an array, where newer kernels know that a constant key is there. */
SEC("socket")
int does_not_look(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&seen, &key);

	return *value;
}

char _license[] SEC("license") = "Dual BSD/GPL";
