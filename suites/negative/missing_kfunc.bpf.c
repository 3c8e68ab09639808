// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A function that no kernel offers to programs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_function_of_no_kernel(void) __ksym;

SEC("tc")
int calls_a_missing_function(struct __sk_buff *skb)
{
	bpf_function_of_no_kernel();
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
