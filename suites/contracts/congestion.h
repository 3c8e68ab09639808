/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Operations that each of TCP's congestion controls must have. */
#ifndef CONGESTION_H
#define CONGESTION_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;

SEC("struct_ops/ssthresh")
__u32 BPF_PROG(on_loss, struct sock *sk)
{
	return 2;
}

SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(on_undo, struct sock *sk)
{
	return 10;
}

/* Older kernels require it, and do not call it next to cong_control(). */
SEC("struct_ops/cong_avoid")
void BPF_PROG(on_ack, struct sock *sk, __u32 ack, __u32 count)
{
}

#endif
