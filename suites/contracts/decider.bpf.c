// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A program with a function that others replace. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

__attribute__((noinline)) int decide(struct __sk_buff *skb, int verdict)
{
	/* So that the compiler does not know the result. */
	volatile int result = verdict;

	return skb->len ? result : TC_ACT_SHOT;
}

SEC("tc")
int dispatch(struct __sk_buff *skb)
{
	return decide(skb, TC_ACT_PIPE);
}

char _license[] SEC("license") = "Dual BSD/GPL";
