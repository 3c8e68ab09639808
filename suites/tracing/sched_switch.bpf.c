// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Arguments of sched_switch, in the two ways in which programs find them: where a
 * struct copied from one kernel's format file has them, and by relocation. The task
 * that is switched away from is still the current one, so that the kernel itself says
 * what prev_pid must be.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* From the format file of 6.1: each field at its offset there. */
struct copied_sched_switch {
	__u64 common;
	char prev_comm[16];
	__s32 prev_pid;
	__s32 prev_prio;
	__s64 prev_state;
	char next_comm[16];
	__s32 next_pid;
	__s32 next_prio;
};

struct trace_event_raw_sched_switch {
	int prev_pid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} by_copy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} by_relocation SEC(".maps");

SEC("tracepoint/sched/sched_switch")
int copied(struct copied_sched_switch *ctx)
{
	__u32 current = bpf_get_current_pid_tgid(), pid = ctx->prev_pid;

	bpf_map_update_elem(&by_copy, &current, &pid, BPF_ANY);
	return 0;
}

SEC("tracepoint/sched/sched_switch")
int relocated(struct trace_event_raw_sched_switch *ctx)
{
	__u32 current = bpf_get_current_pid_tgid(), pid = ctx->prev_pid;

	bpf_map_update_elem(&by_relocation, &current, &pid, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
