// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* cong_control() of TCP's congestion controls takes four arguments instead of two from
 * 6.10 on (57bfc7605ca5): the rate sample is the fourth one there.
 */
#include "congestion.h"

struct rate_sample {
	__s32 delivered;
} __attribute__((preserve_access_index));

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	void (*cong_control)(struct sock *sk, const struct rate_sample *sample);
	char name[16];
} __attribute__((preserve_access_index));

__u64 delivered;

static __always_inline void note(const struct rate_sample *sample)
{
	if (sample->delivered > 0)
		__sync_fetch_and_add(&delivered, sample->delivered);
}

SEC("struct_ops/cong_control")
void BPF_PROG(two, struct sock *sk, const struct rate_sample *sample)
{
	note(sample);
}

SEC("struct_ops/cong_control")
void BPF_PROG(four, struct sock *sk, __u32 ack, int flag,
	      const struct rate_sample *sample)
{
	note(sample);
}

SEC(".struct_ops")
struct tcp_congestion_ops of_two = {
	.ssthresh = (void *)on_loss,
	.undo_cwnd = (void *)on_undo,
	.cong_avoid = (void *)on_ack,
	.cong_control = (void *)two,
	.name = "of_two",
};

SEC(".struct_ops")
struct tcp_congestion_ops of_four = {
	.ssthresh = (void *)on_loss,
	.undo_cwnd = (void *)on_undo,
	.cong_avoid = (void *)on_ack,
	.cong_control = (void *)four,
	.name = "of_four",
};

char _license[] SEC("license") = "GPL";
