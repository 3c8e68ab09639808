// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reads a field without asking whether the kernel has it: task_struct.state became
 * __state in 5.14 (2f064a59a11f).
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int tgid;
	volatile long state;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} states SEC(".maps");

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	__u64 state = 0;
	__u32 pid = 0;

	bpf_core_read(&pid, sizeof(pid), &task->tgid);
	bpf_core_read(&state, sizeof(state), &task->state);
	bpf_map_update_elem(&states, &pid, &state, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
