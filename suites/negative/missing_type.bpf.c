// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A field of a type that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct no_such_type {
	int first;
} __attribute__((preserve_access_index));

SEC("socket")
int reads_of_a_missing_type(struct __sk_buff *skb)
{
	struct no_such_type *missing = (void *)skb;

	return bpf_core_field_offset(missing->first);
}

char _license[] SEC("license") = "Dual BSD/GPL";
