// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs that the kernel knows the types of: from 5.5 on they follow pointers without
 * a helper (f1b9509c2fb0). Only the offsets still need CO-RE.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "syscalls.h"

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct seen {
	__u32 calls;
	__u32 pid;
	__u32 parent_pid;
};

struct returned {
	__u64 calls;
	__s64 result;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct seen);
} by_tp_btf SEC(".maps"), by_fentry SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct returned);
} by_fexit SEC(".maps");

static __always_inline void record(void *map, struct task_struct *task)
{
	struct seen seen = {}, *known;
	__u32 key = task->pid;

	known = bpf_map_lookup_elem(map, &key);
	seen.calls = known ? known->calls + 1 : 1;
	seen.pid = key;
	seen.parent_pid = task->real_parent->pid;
	bpf_map_update_elem(map, &key, &seen, BPF_ANY);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_tp_btf, struct task_struct *parent, struct task_struct *child)
{
	record(&by_tp_btf, child);
	return 0;
}

SEC("fentry/wake_up_new_task")
int BPF_PROG(on_fentry, struct task_struct *task)
{
	record(&by_fentry, task);
	return 0;
}

/* From 5.11 on bpf_get_current_task_btf() would give the task. */
SEC("fexit/" SYS_PREFIX "getpgid")
int BPF_PROG(on_fexit, const void *registers, long result)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct returned returned = {.result = result}, *known;

	known = bpf_map_lookup_elem(&by_fexit, &tgid);
	returned.calls = known ? known->calls + 1 : 1;
	bpf_map_update_elem(&by_fexit, &tgid, &returned, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
