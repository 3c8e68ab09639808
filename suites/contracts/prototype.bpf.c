// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* bpf_task_acquire() takes a task (6.2, 90660309b0c7); this object says a number.
 * libbpf refuses it before any verifier looks. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int bpf_task_acquire(int number) __ksym;

SEC("tp_btf/task_newtask")
int forks(void *ctx)
{
	return bpf_task_acquire(1);
}

char _license[] SEC("license") = "Dual BSD/GPL";
