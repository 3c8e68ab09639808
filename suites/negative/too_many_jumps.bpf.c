// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* More branches than the 8192 of which the verifier remembers the other side. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define TURNS 10000

SEC("socket")
int branches_too_often(struct __sk_buff *skb)
{
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < TURNS; i++)
		if (bpf_get_prandom_u32() == 0)
			break;
	return i;
}

char _license[] SEC("license") = "Dual BSD/GPL";
