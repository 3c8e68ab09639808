// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Tells of every program that is started: who, by whom, and which file.
 *
 * It declares the few fields that it reads. CO-RE finds them in the running kernel.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define COMM_LENGTH 16
#define PATH_LENGTH 128
#define BITS_OF_OFFSET 0xffff

struct task_struct {
	int tgid;
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

/* What the tracepoint hands over: the low half tells where the text begins. */
struct trace_event_raw_sched_process_exec {
	__u32 __data_loc_filename;
} __attribute__((preserve_access_index));

struct started {
	__u32 pid;
	__u32 parent;
	__u32 uid;
	char comm[COMM_LENGTH];
	char path[PATH_LENGTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

/* So that libbpf keeps the type, by which the runner reads the events. */
const struct started *unused __attribute__((unused));

SEC("tracepoint/sched/sched_process_exec")
int on_exec(struct trace_event_raw_sched_process_exec *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct started started = {};

	started.pid = bpf_get_current_pid_tgid() >> 32;
	started.parent = BPF_CORE_READ(task, real_parent, tgid);
	started.uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(started.comm, sizeof(started.comm));
	bpf_probe_read_kernel_str(started.path, sizeof(started.path),
				  (void *)ctx +
					  (ctx->__data_loc_filename & BITS_OF_OFFSET));
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &started,
			      sizeof(started));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
