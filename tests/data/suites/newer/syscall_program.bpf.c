// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A program that makes system calls; upstream 5.14. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("syscall")
int calls(void *context)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
