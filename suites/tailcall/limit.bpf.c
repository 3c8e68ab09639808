// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A program that calls itself until the kernel lets it no further. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} runs SEC(".maps");

int again(struct pt_regs *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct pt_regs *));
} itself SEC(".maps") = {
	.values = {[0] = again},
};

SEC("kprobe/udp_sendmsg")
int again(struct pt_regs *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 one = 1, *count = bpf_map_lookup_elem(&runs, &tgid);

	if (count)
		(*count)++;
	else
		bpf_map_update_elem(&runs, &tgid, &one, BPF_ANY);
	bpf_tail_call(ctx, &itself, 0);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
