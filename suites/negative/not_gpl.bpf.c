// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A helper for GPL-compatible programs, called by another one. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/wake_up_new_task")
int reads_without_the_license(void *ctx)
{
	long value = 0;

	return bpf_probe_read_kernel(&value, sizeof(value), ctx);
}

char _license[] SEC("license") = "Proprietary";
