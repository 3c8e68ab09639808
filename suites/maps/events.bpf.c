// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Records that are handed to user space by a perf event array, as tools did before
 * there were ring buffers.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct event {
	__u32 tgid;
	__u32 length;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

/* The struct's type stays in the object's BTF because a map has it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event);
} last SEC(".maps");

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	struct event event = {};
	__u32 key = 0;

	event.tgid = bpf_get_current_pid_tgid() >> 32;
	event.length = PT_REGS_PARM3(ctx);
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	bpf_map_update_elem(&last, &key, &event, BPF_ANY);
	/* BPF_F_CURRENT_CPU came with 4.7. */
	bpf_perf_event_output(ctx, &events, bpf_get_smp_processor_id(), &event,
			      sizeof(event));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
