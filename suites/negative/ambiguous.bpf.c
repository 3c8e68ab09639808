// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The size of a type that every kernel has twice: perf's functions declare their own.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct perf_aux_event {
	int unused;
} __attribute__((preserve_access_index));

SEC("socket")
int measures_one_of_two(struct __sk_buff *skb)
{
	return bpf_core_type_size(struct perf_aux_event);
}

char _license[] SEC("license") = "Dual BSD/GPL";
