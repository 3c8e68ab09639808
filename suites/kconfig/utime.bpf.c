// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The time that a task ran in user space, told by the kernel's version and its ticks.
 *
 * Up to 4.10 task_struct.utime counts ticks, from 4.11 on nanoseconds (5613fda9a503).
 * That is told by __kconfig externs, as many programs do; they need global data, and
 * so 5.2.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define NS_PER_SECOND 1000000000UL

extern __u32 LINUX_KERNEL_VERSION __kconfig;
extern __u32 CONFIG_HZ __kconfig;

struct list_head {
	struct list_head *next;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	__u64 utime;
	/* Not real_parent, which is the same and stands before it: that would hide an
	 * offset that is wrong.
	 */
	struct task_struct *parent;
	struct list_head children;
	struct list_head sibling;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} user_ns SEC(".maps");

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *new = (void *)PT_REGS_PARM1(ctx);
	struct task_struct *parent = BPF_CORE_READ(new, parent);
	struct list_head *head = __builtin_preserve_access_index(&parent->children);
	/* The oldest child, which sleeps when this one is made. */
	struct task_struct *task = (void *)BPF_CORE_READ(head, next) -
				   bpf_core_field_offset(struct task_struct, sibling);
	__u32 pid = BPF_CORE_READ(task, pid);
	__u64 ns;

	if (LINUX_KERNEL_VERSION >= KERNEL_VERSION(4, 11, 0))
		ns = BPF_CORE_READ(task, utime);
	else
		ns = BPF_CORE_READ(task, utime) * (NS_PER_SECOND / CONFIG_HZ);
	bpf_map_update_elem(&user_ns, &pid, &ns, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
