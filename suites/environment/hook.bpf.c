// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts how often the kernel asks its security modules whether a file may be opened.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct file;

__u64 opened;

SEC("lsm/file_open")
int BPF_PROG(on_open, struct file *file, int allowed)
{
	__sync_fetch_and_add(&opened, 1);
	return allowed;
}

char _license[] SEC("license") = "Dual BSD/GPL";
