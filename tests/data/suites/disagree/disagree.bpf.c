// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Stores numbers that differ by kernel, although it runs on each without a fault. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

extern int LINUX_KERNEL_VERSION __kconfig;

struct task_struct {
	int tgid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} offset SEC(".maps"), boundary SEC(".maps"), newest SEC(".maps"), same SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u32);
} pids SEC(".maps"), empty SEC(".maps");

static __always_inline void put(void *map, __u32 value)
{
	__u32 zero = 0;

	bpf_map_update_elem(map, &zero, &value, BPF_ANY);
}

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid(), one = 1;

	if (PT_REGS_PARM3(ctx) != 77)
		return 0;
	put(&offset, bpf_core_field_offset(struct task_struct, tgid));
	put(&boundary, LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 12, 0) ? 2 : 1);
	put(&newest, LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 13, 0) ? 2 : 1);
	put(&same, 7);
	bpf_map_update_elem(&pids, &pid, &one, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
