// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Maps of the kinds and shapes that users dump, filled from the packets that are sent
 * over the guest's loopback.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum size_class {
	SMALL = 1,
	LARGE = 2,
};

struct point {
	__s32 x;
	__s32 y;
};

struct flow {
	__u64 packets;
	__u64 bytes;
	enum size_class class;
	struct {
		struct point corner;
		__u16 sizes[3];
	} last;
	char comm[16];
};

struct cell {
	__u32 row;
	__u32 column;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, struct cell);
	__type(value, __u64);
} cells SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} totals SEC(".maps");

static __always_inline void add(void *map, __u32 key, __u64 amount)
{
	__u64 *value = bpf_map_lookup_elem(map, &key);

	if (value)
		*value += amount;
}

static __always_inline void fill_cell(__u32 row, __u32 column, __u64 value)
{
	struct cell cell = {.row = row, .column = column};

	bpf_map_update_elem(&cells, &cell, &value, BPF_ANY);
}

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 length = PT_REGS_PARM3(ctx);
	struct flow flow = {}, *known;

	known = bpf_map_lookup_elem(&flows, &tgid);
	if (known)
		flow = *known;
	flow.packets++;
	flow.bytes += length;
	flow.class = length > 100 ? LARGE : SMALL;
	flow.last.corner.x = -1;
	flow.last.corner.y = length;
	flow.last.sizes[0] = length;
	flow.last.sizes[2] = 2 * length;
	bpf_get_current_comm(flow.comm, sizeof(flow.comm));
	bpf_map_update_elem(&flows, &tgid, &flow, BPF_ANY);

	add(&totals, 0, 1);
	add(&totals, 1, length);
	fill_cell(1, 2, length);
	fill_cell(3, 4, 2 * length);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
