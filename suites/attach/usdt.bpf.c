/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reads the argument of a USDT probe, as the note in the program says where it is. */
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

struct seen {
	__u64 calls, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

SEC("usdt")
int BPF_USDT(on_packet, __u64 bytes)
{
	__u32 key = 0;
	struct seen *counted = bpf_map_lookup_elem(&seen, &key);

	if (counted) {
		__sync_fetch_and_add(&counted->calls, 1);
		counted->bytes = bytes;
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
