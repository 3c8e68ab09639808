// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Fields of a type that kernels have several times: perf's functions declare types of
 * their own, all called perf_aux_event. One has pid and tid, another one size.
 *
 * libbpf takes the type that has the first field, and looks for the others there only.
 * cilium/ebpf takes the type that has most of the fields. Aya takes each field from
 * whatever type has it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct perf_aux_event {
	__u32 pid;
	__u32 tid;
	__u64 size;
} __attribute__((preserve_access_index));

struct found {
	__u32 size_at;
	__u32 pid_at;
	__u32 tid_at;
};

/* 0 for a field that is missing. */
#define PLACE(field) (bpf_core_field_exists(field) ? bpf_core_field_offset(field) : 0)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct found);
} found SEC(".maps");

SEC("socket")
int looks_at_candidates(struct __sk_buff *skb)
{
	struct perf_aux_event *event = 0;
	struct found seen = {};
	__u32 key = 0;

	seen.size_at = PLACE(event->size);
	/* In this order. */
	asm volatile("" ::: "memory");
	seen.pid_at = PLACE(event->pid);
	seen.tid_at = PLACE(event->tid);
	bpf_map_update_elem(&found, &key, &seen, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
