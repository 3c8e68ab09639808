// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs may implement all operations of struct tcp_congestion_ops but get_info(). */
#include "congestion.h"

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	unsigned long (*get_info)(struct sock *sk, __u32 ext, int *attr, void *info);
	char name[16];
} __attribute__((preserve_access_index));

SEC("struct_ops/get_info")
unsigned long BPF_PROG(on_info, struct sock *sk)
{
	return 0;
}

SEC(".struct_ops")
struct tcp_congestion_ops telling = {
	.ssthresh = (void *)on_loss,
	.undo_cwnd = (void *)on_undo,
	.cong_avoid = (void *)on_ack,
	.get_info = (void *)on_info,
	.name = "telling",
};

char _license[] SEC("license") = "GPL";
