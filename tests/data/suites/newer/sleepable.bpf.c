// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A security module's hook that may sleep; upstream 5.10. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} commands SEC(".maps");

SEC("lsm.s/bprm_committed_creds")
int on_command(void *context)
{
	__u32 first = 0;
	__u32 *count = bpf_map_lookup_elem(&commands, &first);

	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
