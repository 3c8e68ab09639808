// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A type of program that came with 4.17. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sched_process_fork")
int needs_raw_tracepoints(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
