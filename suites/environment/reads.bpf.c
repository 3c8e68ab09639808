// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reads the kernel's memory with bpf_probe_read_kernel(), which a kernel that is locked
 * down for confidentiality does not offer (9d1f8be5cf42).
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	int tgid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_sync")
int on_sync(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 tgid = 0;
	__u64 one = 1, *count;

	bpf_probe_read_kernel(&tgid, sizeof(tgid), &task->tgid);
	count = bpf_map_lookup_elem(&calls, &tgid);
	if (count)
		*count += 1;
	else
		bpf_map_update_elem(&calls, &tgid, &one, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
