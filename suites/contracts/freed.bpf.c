// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The record of sched_process_free has no priority from 6.16 on, and ends before it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct freed {
	__u64 common;
	char comm[16];
	int pid;
	int prio;
};

int prio;

SEC("tracepoint/sched/sched_process_free")
int on_free(struct freed *record)
{
	prio = record->prio;
	return 0;
}

char _license[] SEC("license") = "GPL";
