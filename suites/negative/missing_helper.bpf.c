// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A helper that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define BPF_FUNC_of_no_kernel 9999

static long (*helper_of_no_kernel)(void) = (void *)BPF_FUNC_of_no_kernel;

SEC("socket")
int calls_a_missing_helper(struct __sk_buff *skb)
{
	return helper_of_no_kernel();
}

char _license[] SEC("license") = "Dual BSD/GPL";
