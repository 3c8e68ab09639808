// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A ring buffer, which came with 5.8. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("socket")
int sends_an_event(struct __sk_buff *skb)
{
	__u64 event = 1;

	return bpf_ringbuf_output(&events, &event, sizeof(event), 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
