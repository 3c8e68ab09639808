// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A global variable, which needs 5.2. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 calls;

SEC("socket")
int counts_its_calls(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&calls, 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
