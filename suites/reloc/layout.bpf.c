// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Relocations that ask for numbers, recorded whenever a task is made: where a field is,
 * how large it is and whether it has a sign, which types and enumerators there are.
 * What tracefs says of its events, SLUB of its caches and /proc/cgroups of its lines
 * are other words of the same kernel for them.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct trace_event_raw_sched_switch {
	char prev_comm[16];
	int prev_pid;
	long prev_state;
	char next_comm[16];
	int next_pid;
} __attribute__((preserve_access_index));

struct trace_event_raw_sched_process_fork {
	char parent_comm[16];
	int child_pid;
} __attribute__((preserve_access_index));

/* In newer kernels comms are of any length, and here is where they are. */
struct trace_event_raw_sched_process_fork___newer {
	__u32 __data_loc_parent_comm;
} __attribute__((preserve_access_index));

struct trace_event_raw_softirq {
	unsigned int vec;
} __attribute__((preserve_access_index));

/* Since 5.11. */
struct trace_event_raw_sched_kthread_work_queue_work {
	int _;
};

struct trace_event_raw_no_such_event {
	int _;
};

struct dentry {
	unsigned int d_flags;
} __attribute__((preserve_access_index));

struct inode {
	unsigned short i_mode;
} __attribute__((preserve_access_index));

/* Other numbers than anywhere, so that the target's can't be right by chance. */
enum cgroup_subsys_id {
	devices_cgrp_id = 101,
	pids_cgrp_id = 203,
	misc_cgrp_id = 305,
	no_such_cgrp_id = 407,
};

struct field {
	__u32 offset;
	__u32 size;
	__u32 is_signed;
};

struct layout {
	struct field prev_comm;
	struct field prev_pid;
	struct field prev_state;
	struct field next_pid;
	struct field child_pid;
	struct field vec;
	__u32 has_newer_fork;
	__u32 has_kthread_work;
	__u32 has_no_such_event;
	__u32 size_of_dentry;
	__u32 size_of_inode;
	__u32 has_misc;
	__u32 has_no_such;
	__u32 pids_after_devices;
	__u32 local_id;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct layout);
} layouts SEC(".maps");

#define FIELD(access)                                                                  \
	((struct field){                                                               \
		.offset =                                                              \
			__builtin_preserve_field_info(access, BPF_FIELD_BYTE_OFFSET),  \
		.size = bpf_core_field_size(access),                                   \
		.is_signed = __builtin_preserve_field_info(access, BPF_FIELD_SIGNED),  \
	})

/* clang 14 dies of asking for an array's sign. */
#define ARRAY_FIELD(access)                                                            \
	((struct field){                                                               \
		.offset =                                                              \
			__builtin_preserve_field_info(access, BPF_FIELD_BYTE_OFFSET),  \
		.size = bpf_core_field_size(access),                                   \
	})

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct trace_event_raw_sched_process_fork___newer *newer_fork = 0;
	struct trace_event_raw_sched_process_fork *fork = 0;
	struct trace_event_raw_sched_switch *change = 0;
	struct trace_event_raw_softirq *softirq = 0;
	struct layout layout = {};
	__u32 key = 0;

	layout.prev_comm = ARRAY_FIELD(change->prev_comm);
	layout.prev_pid = FIELD(change->prev_pid);
	layout.prev_state = FIELD(change->prev_state);
	layout.next_pid = FIELD(change->next_pid);
	layout.child_pid = FIELD(fork->child_pid);
	layout.vec = FIELD(softirq->vec);
	layout.has_newer_fork =
		bpf_core_field_exists(newer_fork->__data_loc_parent_comm);
	layout.has_kthread_work = bpf_core_type_exists(
		struct trace_event_raw_sched_kthread_work_queue_work);
	layout.has_no_such_event =
		bpf_core_type_exists(struct trace_event_raw_no_such_event);
	layout.size_of_dentry = bpf_core_type_size(struct dentry);
	layout.size_of_inode = bpf_core_type_size(struct inode);
	layout.has_misc =
		bpf_core_enum_value_exists(enum cgroup_subsys_id, misc_cgrp_id);
	layout.has_no_such =
		bpf_core_enum_value_exists(enum cgroup_subsys_id, no_such_cgrp_id);
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		layout.pids_after_devices =
			bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id) -
			bpf_core_enum_value(enum cgroup_subsys_id, devices_cgrp_id);
	layout.local_id = bpf_core_type_id_local(struct layout);
	bpf_map_update_elem(&layouts, &key, &layout, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
