// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The thread pointer of a new task. On x86: thread.fs up to 4.6, thread.fsbase from 4.7
 * on (296f781a4b78). On arm64 it is what tpidr_el0 holds, on s390x what the first two
 * access registers hold, the upper half first.
 *
 * The old field is looked for first. What is read in its place is then guarded by a
 * constant 1 that is compared with 0, where verifiers before 4.15 walk both sides.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#if defined(__TARGET_ARCH_arm64)
struct thread_struct {
	struct {
		unsigned long tp_value;
	} uw;
} __attribute__((preserve_access_index));
#elif defined(__TARGET_ARCH_s390)
struct thread_struct {
	unsigned int acrs[16];
} __attribute__((preserve_access_index));
#else
struct thread_struct {
	unsigned long fsbase;
} __attribute__((preserve_access_index));

struct thread_struct___before_4_7 {
	unsigned long fs;
} __attribute__((preserve_access_index));
#endif

struct task_struct {
	int pid;
	struct thread_struct thread;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} fs_bases SEC(".maps");

static __always_inline __u64 thread_pointer(struct task_struct *task)
{
	__u64 base = 0;
#if defined(__TARGET_ARCH_arm64)
	bpf_core_read(&base, sizeof(base), &task->thread.uw.tp_value);
#elif defined(__TARGET_ARCH_s390)
	__u32 upper = 0, lower = 0;

	bpf_core_read(&upper, sizeof(upper), &task->thread.acrs[0]);
	bpf_core_read(&lower, sizeof(lower), &task->thread.acrs[1]);
	base = (__u64)upper << 32 | lower;
#else
	struct thread_struct___before_4_7 *old = (void *)&task->thread;

	if (bpf_core_field_exists(old->fs))
		bpf_core_read(&base, sizeof(base), &old->fs);
	else
		bpf_core_read(&base, sizeof(base), &task->thread.fsbase);
#endif
	return base;
}

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	__u64 base = thread_pointer(task);
	__u32 pid = 0;

	bpf_core_read(&pid, sizeof(pid), &task->pid);
	bpf_map_update_elem(&fs_bases, &pid, &base, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
