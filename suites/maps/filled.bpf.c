/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reads what its loader has written into maps. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct rule {
	__u32 weight, pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} base SEC(".maps");

SEC("socket")
int weigh(struct __sk_buff *skb)
{
	__u32 seven = 7, zero = 0;
	struct rule *rule = bpf_map_lookup_elem(&rules, &seven);
	__u32 *start = bpf_map_lookup_elem(&base, &zero);

	return rule && start ? rule->weight + *start : 0;
}

/* A case loads only the other one. */
SEC("kprobe/no_such_function")
int on_nothing(void *context)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
