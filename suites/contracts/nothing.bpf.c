// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* fput() returns nothing. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct file;
int result;

SEC("fexit/fput")
int BPF_PROG(puts, struct file *file, long returned)
{
	result = returned;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
