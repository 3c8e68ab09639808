// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Whether types match: not only the name is there, but each field with its type. The
 * relocation needs clang 15; matches.bpf.o is built as README.md tells.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct pid_namespace;

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct upid___without_numbers {
	char *nr;
};

struct upid___with_more {
	int nr;
	int no_such_field;
};

/* As it is in newer kernels, which say where its comms are. Of its characters nothing
 * is said: char has a sign in the BTF of some kernels and none in that of others.
 */
struct trace_event_raw_sched_process_fork {
	__u32 __data_loc_parent_comm;
	int parent_pid;
};

struct matches {
	__u32 as_it_is;
	__u32 other_type;
	__u32 missing_field;
	__u32 fork_is_newer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct matches);
} matches SEC(".maps");

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct matches found = {};
	__u32 key = 0;

	found.as_it_is = bpf_core_type_matches(struct upid);
	found.other_type = bpf_core_type_matches(struct upid___without_numbers);
	found.missing_field = bpf_core_type_matches(struct upid___with_more);
	found.fork_is_newer =
		bpf_core_type_matches(struct trace_event_raw_sched_process_fork);
	bpf_map_update_elem(&matches, &key, &found, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
