// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kprobe and kretprobe, on a system call whose function was renamed in 4.17
 * (d5a00528b58c): the suite says which one it is. Its argument is in the caller's
 * registers from then on, and those are an argument themselves.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "syscalls.h"

struct seen {
	__u32 entered;
	__u32 left;
	__u64 result;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct seen);
} calls SEC(".maps");

static __always_inline void record(__u32 entered, __u32 left, __u64 result)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct seen seen = {}, *known;

	known = bpf_map_lookup_elem(&calls, &tgid);
	if (known)
		seen = *known;
	seen.entered += entered;
	seen.left += left;
	seen.result = result;
	bpf_map_update_elem(&calls, &tgid, &seen, BPF_ANY);
}

SEC("kprobe/" SYS_PREFIX "getpgid")
int on_enter(struct pt_regs *ctx)
{
	record(1, 0, 0);
	return 0;
}

SEC("kretprobe/" SYS_PREFIX "getpgid")
int on_leave(struct pt_regs *ctx)
{
	record(0, 1, PT_REGS_RC(ctx));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
