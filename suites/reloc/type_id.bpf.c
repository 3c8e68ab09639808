// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The number that a type has in the kernel's own BTF: the kernel formats a new task's
 * first upid by it, so that a wrong one gives another text.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define TEXT_LENGTH 64

struct upid {
	int nr;
} __attribute__((preserve_access_index));

struct pid {
	struct upid numbers[1];
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	struct pid *thread_pid;
} __attribute__((preserve_access_index));

struct formatted {
	char text[TEXT_LENGTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct formatted);
} upids SEC(".maps");

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	struct formatted formatted = {};
	struct btf_ptr what = {};
	struct pid *pid = 0;
	__u32 key = 0;

	bpf_core_read(&key, sizeof(key), &task->pid);
	bpf_core_read(&pid, sizeof(pid), &task->thread_pid);
	what.ptr = __builtin_preserve_access_index(&pid->numbers[0]);
	what.type_id = bpf_core_type_id_kernel(struct upid);
	bpf_snprintf_btf(formatted.text, sizeof(formatted.text), &what, sizeof(what),
			 BTF_F_COMPACT);
	bpf_map_update_elem(&upids, &key, &formatted, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
