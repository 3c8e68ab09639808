// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* An fentry program for a function that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("fentry/function_of_no_kernel")
int enters_nothing(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
