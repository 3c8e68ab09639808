// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Two functions that share 512 bytes of stack, and want 400 each. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define LARGE 400

static __noinline int callee(int number)
{
	volatile char large[LARGE];

	large[number & 63] = number;
	return large[number & 31];
}

SEC("socket")
int has_a_callee(struct __sk_buff *skb)
{
	volatile char large[LARGE];

	large[skb->len & 63] = skb->len;
	return callee(skb->len) + large[skb->len & 31];
}

char _license[] SEC("license") = "Dual BSD/GPL";
