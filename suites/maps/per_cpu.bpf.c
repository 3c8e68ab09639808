// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A map with a value for each CPU, filled from the packets that are sent over the
 * guest's loopback. An object of its own: a kernel that lacks a map's type refuses all
 * of it.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} per_cpu SEC(".maps");

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	__u32 calls = 0, length = 1;
	__u64 *value = bpf_map_lookup_elem(&per_cpu, &calls);

	if (value)
		*value += 1;
	value = bpf_map_lookup_elem(&per_cpu, &length);
	if (value)
		*value = PT_REGS_PARM3(ctx);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
