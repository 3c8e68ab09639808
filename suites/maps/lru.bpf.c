// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A map that forgets what was used least, with keys that have structs within; 4.10. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct place {
	struct {
		__u16 row;
		__u16 column;
	} cell;
	__u32 sheet;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, struct place);
	__type(value, __u64);
} places SEC(".maps");

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	__u64 length = PT_REGS_PARM3(ctx), twice = 2 * length;
	struct place place = {.cell = {.row = 1, .column = 2}, .sheet = 3};

	bpf_map_update_elem(&places, &place, &length, BPF_ANY);
	place.cell.column = 5;
	bpf_map_update_elem(&places, &place, &twice, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
