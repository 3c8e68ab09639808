// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs for the place of decider.bpf.c's decide(), which takes two arguments. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

int given;

SEC("freplace/decide")
int both(struct __sk_buff *skb, int verdict)
{
	given = verdict;
	return TC_ACT_STOLEN;
}

SEC("freplace/decide")
int one(struct __sk_buff *skb)
{
	return TC_ACT_STOLEN;
}

SEC("freplace/decide")
int wide(struct __sk_buff *skb, long verdict)
{
	given = verdict;
	return TC_ACT_STOLEN;
}

char _license[] SEC("license") = "Dual BSD/GPL";
