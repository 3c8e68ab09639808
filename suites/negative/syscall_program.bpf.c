// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A type of program that came with 5.14. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("syscall")
int needs_syscall_programs(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
