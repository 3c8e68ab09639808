// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A map of 240 MiB, which the kernel allocates when the object is loaded. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 240 * 1024);
	__uint(key_size, 4);
	__uint(value_size, 1024);
} large SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_sync")
int on_sync(void *ctx)
{
	__u32 last = 240 * 1024 - 1;
	__u64 *value = bpf_map_lookup_elem(&large, &last);

	if (value)
		__sync_fetch_and_add(value, 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
