/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A congestion control of TCP, which counts what the kernel asks it. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*init)(struct sock *sk);
	char name[16];
} __attribute__((preserve_access_index));

__u64 inits, acked;

SEC("struct_ops/init")
void BPF_PROG(on_init, struct sock *sk)
{
	__sync_fetch_and_add(&inits, 1);
}

SEC("struct_ops/ssthresh")
__u32 BPF_PROG(on_loss, struct sock *sk)
{
	return 2;
}

SEC("struct_ops/cong_avoid")
void BPF_PROG(on_ack, struct sock *sk, __u32 ack, __u32 count)
{
	__sync_fetch_and_add(&acked, count);
}

SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(on_undo, struct sock *sk)
{
	return 10;
}

SEC(".struct_ops")
struct tcp_congestion_ops counting = {
	.init = (void *)on_init,
	.ssthresh = (void *)on_loss,
	.cong_avoid = (void *)on_ack,
	.undo_cwnd = (void *)on_undo,
	.name = "counting",
};

char _license[] SEC("license") = "GPL";
