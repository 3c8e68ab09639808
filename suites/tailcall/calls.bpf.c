// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Functions that are called and not inlined: from 4.16 on (cc8b0b92a169). */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} mixed SEC(".maps");

static __noinline __u64 twice(__u64 value)
{
	return 2 * value;
}

static __noinline __u64 mix(__u64 value, __u64 other)
{
	return twice(value) + 3 * other;
}

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 length = PT_REGS_PARM3(ctx), result = mix(length, 1) + twice(length);

	bpf_map_update_elem(&mixed, &tgid, &result, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
