// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* in_group_p(kgid_t) takes a struct by value, which trampolines carry from 6.1 on
 * (720e6a435194). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int calls;

SEC("fentry/in_group_p")
int asks(void *ctx)
{
	calls++;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
