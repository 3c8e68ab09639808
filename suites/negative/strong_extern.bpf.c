// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* An option of the configuration that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int CONFIG_OF_NO_KERNEL __kconfig;

SEC("socket")
int needs_an_option(struct __sk_buff *skb)
{
	return CONFIG_OF_NO_KERNEL;
}

char _license[] SEC("license") = "Dual BSD/GPL";
