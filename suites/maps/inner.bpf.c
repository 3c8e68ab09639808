// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Maps of senders, in maps of maps that a size and a parity choose; 4.12. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sums {
	__u64 packets, bytes;
};

struct senders {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct sums);
} small SEC(".maps"), large SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct senders);
} by_size SEC(".maps") = {
	/* Nothing is at 1 and 3. */
	.values = {[0] = &small, [2] = &large},
};

struct lengths {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} even SEC(".maps"), odd SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct lengths);
} by_parity SEC(".maps") = {
	.values = {[0] = &even, [1] = &odd},
};

static __always_inline void count(void *senders, __u64 length)
{
	__u32 sender = bpf_get_current_pid_tgid() >> 32;
	struct sums first = {.packets = 1, .bytes = length}, *sums;

	sums = bpf_map_lookup_elem(senders, &sender);
	if (sums) {
		sums->packets++;
		sums->bytes += length;
	} else {
		bpf_map_update_elem(senders, &sender, &first, BPF_ANY);
	}
}

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	__u64 length = PT_REGS_PARM3(ctx);
	__u32 size = length > 100 ? 2 : 0, parity = length & 1, slot = 0;
	void *inner = bpf_map_lookup_elem(&by_size, &size);

	if (inner)
		count(inner, length);
	inner = bpf_map_lookup_elem(&by_parity, &parity);
	if (inner)
		bpf_map_update_elem(inner, &slot, &length, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
