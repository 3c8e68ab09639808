// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Keys of more than 512 bytes; upstream 5.11. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct path {
	char text[600];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__type(key, struct path);
	__type(value, __u32);
} paths SEC(".maps");

/* The stack is too small for such a key. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path);
} scratch SEC(".maps");

SEC("socket")
int stores(struct __sk_buff *skb)
{
	__u32 first = 0, value = 5;
	struct path *key = bpf_map_lookup_elem(&scratch, &first);
	__u32 *found;

	if (!key)
		return 0;
	key->text[599] = 'x';
	bpf_map_update_elem(&paths, key, &value, BPF_ANY);
	found = bpf_map_lookup_elem(&paths, key);
	return found ? *found : 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
