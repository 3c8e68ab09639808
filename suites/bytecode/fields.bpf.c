// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One relocation after the other, in an order that the compiler has to keep.
 *
 * Only what is read is declared, and in another order than the kernel's, so that no
 * offset is right by chance.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define COMM_LENGTH 16

struct mm_struct {
	unsigned long start_stack;
	unsigned long start_code;
} __attribute__((preserve_access_index));

struct task_struct {
	char comm[COMM_LENGTH];
	int tgid;
	struct task_struct *real_parent;
	struct mm_struct *mm;
	int pid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} pids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} stacks SEC(".maps");

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	struct task_struct *parent = NULL;
	struct mm_struct *mm = NULL;
	__u32 pid = 0, tgid = 0;
	__u64 stack = 0;

	bpf_core_read(&pid, sizeof(pid), &task->pid);
	bpf_core_read(&parent, sizeof(parent), &task->real_parent);
	bpf_core_read(&tgid, sizeof(tgid), &parent->tgid);
	bpf_map_update_elem(&pids, &pid, &tgid, BPF_ANY);
	bpf_core_read(&mm, sizeof(mm), &task->mm);
	bpf_core_read(&stack, sizeof(stack), &mm->start_stack);
	stack += bpf_core_type_size(struct task_struct);
	bpf_map_update_elem(&stacks, &pid, &stack, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
