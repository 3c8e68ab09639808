// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A kernel function that no kernel has, and that no program reaches. libbpf resolves it
 * all the same: it refuses the object when the extern is strong.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct type_of_no_kernel {
	int number;
} __attribute__((preserve_access_index));

extern void bpf_function_of_no_kernel(void) __ksym;

SEC("tc")
int guarded(struct __sk_buff *skb)
{
	if (bpf_core_type_exists(struct type_of_no_kernel))
		bpf_function_of_no_kernel();
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
