// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A helper for packets, called where there is none. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/wake_up_new_task")
int has_no_packet(void *ctx)
{
	return bpf_skb_change_tail(ctx, 64, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
