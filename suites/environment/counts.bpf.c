// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts calls of sync() in a value for each CPU: one that the kernel makes room
 * for, also if it is offline, or not there yet.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_sync")
int on_sync(void *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&calls, &key);

	if (count)
		*count += 1;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
