// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* An atomic addition that returns the old value (-mcpu=v3); upstream 5.12. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* r1 = atomic_fetch_add((u64 *)(r10 - 8), r1), which clang only writes for -mcpu=v3. */
#define FETCH_ADD ".byte 0xdb, 0x1a, 0xf8, 0xff, 1, 0, 0, 0;"

SEC("socket")
int adds(struct __sk_buff *skb)
{
	int old, sum;

	asm volatile("r1 = 40;"
		     "*(u64 *)(r10 - 8) = r1;"
		     "r1 = 2;" FETCH_ADD "%0 = r1;"
		     "%1 = *(u64 *)(r10 - 8);"
		     : "=r"(old), "=r"(sum)
		     :
		     : "r1", "memory");
	return old * 100 + sum;
}

char _license[] SEC("license") = "Dual BSD/GPL";
