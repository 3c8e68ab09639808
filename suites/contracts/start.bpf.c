// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* cwnd_event_tx_start() is a member of struct tcp_congestion_ops that only the newest
 * kernels have; before, cwnd_event() was told of CA_EVENT_TX_START.
 */
#include "congestion.h"

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	void (*cwnd_event_tx_start)(struct sock *sk);
	char name[16];
} __attribute__((preserve_access_index));

__u64 starts;

SEC("struct_ops/cwnd_event_tx_start")
void BPF_PROG(on_start, struct sock *sk)
{
	__sync_fetch_and_add(&starts, 1);
}

SEC(".struct_ops")
struct tcp_congestion_ops starting = {
	.ssthresh = (void *)on_loss,
	.undo_cwnd = (void *)on_undo,
	.cong_avoid = (void *)on_ack,
	.cwnd_event_tx_start = (void *)on_start,
	.name = "starting",
};

char _license[] SEC("license") = "GPL";
