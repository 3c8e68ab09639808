// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Constants that the loader may set, in .rodata; upstream 5.2. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile int length = 5;

SEC("socket")
int reads(struct __sk_buff *skb)
{
	return length;
}

char _license[] SEC("license") = "Dual BSD/GPL";
