// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Tells of every file that is opened: by whom, how, and what came of it.
 *
 * Its types are those of one kernel, in vmlinux.h, which the runner makes of that
 * kernel's BTF (`vmlinux:` in suite.yaml). CO-RE makes them fit the running one.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define COMM_LENGTH 16
#define PATH_LENGTH 64
/* Of openat(directory, path, flags, mode). */
#define PATH 1
#define FLAGS 2

struct opened {
	__u32 parent;
	__s32 result;
	__u32 flags;
	char comm[COMM_LENGTH];
	char path[PATH_LENGTH];
};

/* By process: the call that it is in, and the last one that ended. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct opened);
} calls SEC(".maps"), files SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_openat")
int on_enter(struct trace_event_raw_sys_enter *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct opened call = {};

	call.parent = BPF_CORE_READ(task, real_parent, tgid);
	call.flags = ctx->args[FLAGS];
	bpf_get_current_comm(call.comm, sizeof(call.comm));
	bpf_probe_read_user_str(call.path, sizeof(call.path), (void *)ctx->args[PATH]);
	bpf_map_update_elem(&calls, &pid, &call, BPF_ANY);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_openat")
int on_exit(struct trace_event_raw_sys_exit *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	const struct opened *call = bpf_map_lookup_elem(&calls, &pid);
	struct opened ended;

	if (!call)
		return 0;
	/* By way of the stack: before 4.18 helpers take no pointers into maps. */
	ended = *call;
	ended.result = ctx->ret;
	bpf_map_update_elem(&files, &pid, &ended, BPF_ANY);
	bpf_map_delete_elem(&calls, &pid);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
