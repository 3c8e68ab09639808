// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Takes the place of dispatcher.bpf.c's decide(). */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

unsigned int decided, bytes;

SEC("freplace/decide")
int replacement(struct __sk_buff *skb)
{
	decided++;
	bytes += skb->len;
	return TC_ACT_STOLEN;
}

char _license[] SEC("license") = "Dual BSD/GPL";
