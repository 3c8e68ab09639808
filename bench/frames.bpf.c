// SPDX-License-Identifier: GPL-2.0
// Unrolled as profilers of interpreters are: thousands of instructions, all of one
// program. It is checked, and never loaded.
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define FRAMES 180
#define CORE __attribute__((preserve_access_index))

struct thread_struct {
	unsigned long fsbase;
} CORE;

struct task_struct {
	int pid;
	struct thread_struct thread;
} CORE;

struct inode {
	unsigned long i_ino;
} CORE;

struct file {
	struct inode *f_inode;
} CORE;

struct frame {
	void *code;
	void *back;
	int line;
	char file[32];
	char name[32];
};

struct event {
	int pid;
	int length;
	struct frame frames[FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct event);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(int));
	__uint(value_size, sizeof(int));
} output SEC(".maps");

static __always_inline void *read_frame(struct frame *frame, void *at)
{
	void *code = 0, *back = 0;
	char *text = 0;

	bpf_probe_read_user(&code, sizeof(code), at + 32);
	bpf_probe_read_user(&back, sizeof(back), at + 24);
	bpf_probe_read_user(&text, sizeof(text), code + 96);
	bpf_probe_read_user_str(&frame->file, sizeof(frame->file), text + 48);
	bpf_probe_read_user(&text, sizeof(text), code + 104);
	bpf_probe_read_user_str(&frame->name, sizeof(frame->name), text + 48);
	bpf_probe_read_user(&frame->line, sizeof(frame->line), code + 60);
	frame->code = code;
	frame->back = back;
	return back;
}

SEC("kprobe/vfs_read")
int BPF_KPROBE(on_read, struct file *file)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	void *at = (void *)BPF_CORE_READ(task, thread.fsbase);
	struct event *event;
	int zero = 0;

	event = bpf_map_lookup_elem(&events, &zero);
	if (!event || !BPF_CORE_READ(file, f_inode, i_ino))
		return 0;
	event->pid = BPF_CORE_READ(task, pid);
	event->length = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < FRAMES; i++) {
		if (at) {
			at = read_frame(&event->frames[i], at);
			if (event->frames[i].line > 0)
				event->length = i + 1;
		}
	}
	bpf_perf_event_output(ctx, &output, BPF_F_CURRENT_CPU, event, sizeof(*event));
	return 0;
}

char _license[] SEC("license") = "GPL";
