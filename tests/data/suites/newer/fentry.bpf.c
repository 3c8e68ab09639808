// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A program on a function's entry, with typed arguments; upstream 5.5. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} lengths SEC(".maps");

SEC("fentry/udp_sendmsg")
int on_send(__u64 *arguments)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, length = arguments[2];

	bpf_map_update_elem(&lengths, &tgid, &length, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
