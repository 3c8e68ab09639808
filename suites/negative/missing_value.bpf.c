// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The value of an enumerator that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

enum pid_type {
	PIDTYPE_NONE_OF_THESE = 77,
};

SEC("socket")
int uses_a_missing_value(struct __sk_buff *skb)
{
	return bpf_core_enum_value(enum pid_type, PIDTYPE_NONE_OF_THESE);
}

char _license[] SEC("license") = "Dual BSD/GPL";
