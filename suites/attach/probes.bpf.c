/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counts where probes call it. No section says where that is: the case does. */
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum probe { ENTERED, RETURNED, ALL, ALL_RETURNED, PROBES };

struct seen {
	__u64 calls, last;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBES);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

static __always_inline int count(__u32 probe, __u64 number)
{
	struct seen *counted = bpf_map_lookup_elem(&seen, &probe);

	if (counted) {
		__sync_fetch_and_add(&counted->calls, 1);
		counted->last = number;
	}
	return 0;
}

SEC("kprobe")
int on_entry(struct pt_regs *context)
{
	return count(ENTERED, 1);
}

SEC("kprobe")
int on_return(struct pt_regs *context)
{
	return count(RETURNED, 1);
}

SEC("kprobe")
int on_all(struct pt_regs *context)
{
	return count(ALL, 1);
}

SEC("kprobe")
int on_all_returns(struct pt_regs *context)
{
	return count(ALL_RETURNED, 1);
}

char _license[] SEC("license") = "GPL";
