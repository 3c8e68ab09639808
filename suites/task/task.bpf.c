// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reads of struct task_struct, recorded for every task that is forked and for the
 * children that its parent already has.
 *
 * The task comes from an argument of wake_up_new_task(), because 4.4 has no
 * bpf_get_current_task(). Only what is read is declared: CO-RE finds it by name.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define COMM_LENGTH 16
#define CHILDREN 4
/* What /proc/PID/stat calls a tick: USER_HZ is 100 on x86. */
#define NS_PER_TICK 10000000ULL

struct list_head {
	struct list_head *next;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	int tgid;
	char comm[COMM_LENGTH];
	struct task_struct *real_parent;
	struct list_head children;
	struct list_head sibling;
	unsigned int __state;
	unsigned long long start_boottime;
} __attribute__((preserve_access_index));

/* Up to 5.13 the field is called state and is a signed long (2f064a59a11f). */
struct task_struct___before_5_14 {
	volatile long state;
} __attribute__((preserve_access_index));

/* Up to 5.4 the start time since boot is called real_start_time (cf25e24db61c). */
struct task_struct___before_5_5 {
	unsigned long long real_start_time;
} __attribute__((preserve_access_index));

struct seen {
	__u32 pid;
	__u32 tgid;
	__u32 parent_tgid;
	__u32 state;
	__u64 start_ticks;
	char comm[COMM_LENGTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct seen);
} tasks SEC(".maps");

static __always_inline __u32 state_of(struct task_struct *task)
{
	struct task_struct___before_5_14 *old = (void *)task;
	unsigned int state = 0;
	long old_state = 0;

	if (bpf_core_field_exists(task->__state)) {
		bpf_core_read(&state, sizeof(state), &task->__state);
		return state;
	}
	bpf_core_read(&old_state, sizeof(old_state), &old->state);
	return old_state;
}

static __always_inline __u64 start_of(struct task_struct *task)
{
	struct task_struct___before_5_5 *old = (void *)task;
	__u64 start = 0;

	if (bpf_core_field_exists(task->start_boottime))
		bpf_core_read(&start, sizeof(start), &task->start_boottime);
	else
		bpf_core_read(&start, sizeof(start), &old->real_start_time);
	return start;
}

static __always_inline void record(struct task_struct *task)
{
	struct task_struct *parent = 0;
	struct seen seen = {};

	bpf_core_read(&seen.pid, sizeof(seen.pid), &task->pid);
	bpf_core_read(&seen.tgid, sizeof(seen.tgid), &task->tgid);
	bpf_core_read(&seen.comm, sizeof(seen.comm), &task->comm);
	bpf_core_read(&parent, sizeof(parent), &task->real_parent);
	bpf_core_read(&seen.parent_tgid, sizeof(seen.parent_tgid), &parent->tgid);
	seen.state = state_of(task);
	seen.start_ticks = start_of(task) / NS_PER_TICK;
	bpf_map_update_elem(&tasks, &seen.pid, &seen, BPF_ANY);
}

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	struct task_struct *parent = 0;
	struct list_head *head, *link = 0;

	bpf_core_read(&parent, sizeof(parent), &task->real_parent);
	head = __builtin_preserve_access_index(&parent->children);
	bpf_core_read(&link, sizeof(link), &head->next);
	/* The oldest children first, the new one among them; no loops before 5.3. */
#pragma unroll
	for (int i = 0; i < CHILDREN; i++) {
		if (!link || link == head)
			break;
		record((void *)link -
		       bpf_core_field_offset(struct task_struct, sibling));
		bpf_core_read(&link, sizeof(link), &link->next);
	}
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
