// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Maps within an array, chosen as the program runs; 4.12. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} small SEC(".maps"), large SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} by_size SEC(".maps") = {
	.values = {[0] = &small, [1] = &large},
};

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	__u64 length = PT_REGS_PARM3(ctx);
	__u32 size = length > 100, slot = 0;
	void *inner = bpf_map_lookup_elem(&by_size, &size);

	if (inner)
		bpf_map_update_elem(inner, &slot, &length, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
