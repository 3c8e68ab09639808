// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Stacks of the kernel, as addresses of code; 4.6. The kernel keeps no BTF of such a
 * map. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

#define DEEPEST 127

struct stack {
	__u64 addresses[DEEPEST];
};

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct stack);
} stacks SEC(".maps");

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	bpf_get_stackid(ctx, &stacks, 0);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
