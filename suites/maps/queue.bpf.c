// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Values without keys: first in, first out, and the other way round; 4.20. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 8);
	__type(value, __u32);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 8);
	__type(value, __u32);
} stack SEC(".maps");

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	__u32 length = PT_REGS_PARM3(ctx);

	bpf_map_push_elem(&queue, &length, 0);
	bpf_map_push_elem(&stack, &length, 0);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
