// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Two functions that share 512 bytes of stack, and want 400 each. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define LARGE 400

/* The compiler may not make the array smaller. Its first byte lies lowest, at a place
 * that is constant: before 5.12 (01f810ace9ed) another one would be refused first.
 */
#define USE(array)                                                                     \
	({                                                                             \
		(array)[0] = 1;                                                        \
		asm volatile("" ::"r"(array) : "memory");                              \
		(array)[0];                                                            \
	})

static __noinline int callee(int number)
{
	char large[LARGE];

	return number + USE(large);
}

SEC("socket")
int has_a_callee(struct __sk_buff *skb)
{
	char large[LARGE];

	return callee(skb->len) + USE(large) + skb->len;
}

char _license[] SEC("license") = "Dual BSD/GPL";
