// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Leaves to its loader what tools leave to theirs: sizes of maps, filters in .rodata,
 * where variables start, which of two programs is loaded, and what it attaches to.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

/* Frames, of which each takes 8 bytes. */
#define STACKS 16

struct task_struct {
	int no_such_member;
} __attribute__((preserve_access_index));

const volatile __u32 wanted_tgid;
const volatile bool reads_what_is_missing;
const volatile char wanted_comm[16];
volatile __u64 counted;

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(key_size, sizeof(__u32));
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

/* Of no map and no variable, so that BTF does not hold it. */
struct event {
	__u64 time;
	__u32 tgid;
	char first;
};

static int seen(void *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct event event = {.time = 7, .tgid = tgid, .first = wanted_comm[0]};
	int missing = 0;

	if (tgid != wanted_tgid)
		return 0;
	if (reads_what_is_missing)
		bpf_core_read(&missing, sizeof(missing), &task->no_such_member);
	counted += 1 + missing;
	bpf_get_stackid(context, &stacks, 0);
	/* Less than the struct. */
	bpf_perf_event_output(context, &events, BPF_F_CURRENT_CPU, &event,
			      sizeof(event) - sizeof(__u32) + 1);
	return 0;
}

SEC("kprobe/no_such_function")
int on_old(void *context)
{
	return seen(context);
}

SEC("fentry/no_such_function")
int on_new(void *context)
{
	return seen(context);
}

char _license[] SEC("license") = "Dual BSD/GPL";
