// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A raw tracepoint that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/event_of_no_kernel")
int traces_nothing(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
