/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Walks a map that its loader names. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_map;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key, *value;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} walked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sum SEC(".maps");

SEC("iter/bpf_map_elem")
int walk(struct bpf_iter__bpf_map_elem *context)
{
	__u32 *key = context->key, zero = 0;
	__u64 *value = context->value, *total = bpf_map_lookup_elem(&sum, &zero);

	/* Once more at the end, without a row. */
	if (key && value && total)
		*total += *key * *value;
	return 0;
}

char _license[] SEC("license") = "GPL";
