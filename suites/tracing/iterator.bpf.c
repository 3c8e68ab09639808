// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* An iterator that prints a line for each task: "PID PARENT COMM". */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct seq_file;

struct task_struct {
	int pid;
	int tgid;
	char comm[16];
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

SEC("iter/task")
int print_task(struct bpf_iter__task *ctx)
{
	static const char format[] = "%d %d %s\n";
	struct task_struct *task = ctx->task;
	__u64 arguments[3];

	if (!task)
		return 0;
	arguments[0] = task->pid;
	arguments[1] = task->real_parent->tgid;
	arguments[2] = (__u64)task->comm;
	bpf_seq_printf(ctx->meta->seq, format, sizeof(format), arguments,
		       sizeof(arguments));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
