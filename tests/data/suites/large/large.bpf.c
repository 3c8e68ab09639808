// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The verifier walks every turn of a loop: these are more than a million steps. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define TURNS 400000

SEC("kprobe/wake_up_new_task")
int counts_for_long(void *ctx)
{
	volatile int turn;
	int last = 0;

	for (int i = 0; i < TURNS; i++) {
		turn = i;
		last = turn;
	}
	return last;
}

char _license[] SEC("license") = "Dual BSD/GPL";
