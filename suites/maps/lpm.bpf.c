// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A trie of prefixes: the longest one that fits is found; 4.11. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

#define ADDRESS(a, b, c, d)                                                            \
	{                                                                              \
		a, b, c, d                                                             \
	}

struct prefix {
	__u32 length;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u64);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64);
} found SEC(".maps");

static __always_inline void look_up(__u32 slot, struct prefix *address)
{
	__u64 *route = bpf_map_lookup_elem(&routes, address);
	__u64 value = route ? *route : 0;

	bpf_map_update_elem(&found, &slot, &value, BPF_ANY);
}

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	struct prefix wide = {.length = 8, .address = ADDRESS(10, 0, 0, 0)};
	struct prefix narrow = {.length = 16, .address = ADDRESS(10, 1, 0, 0)};
	struct prefix within = {.length = 32, .address = ADDRESS(10, 1, 2, 3)};
	struct prefix beside = {.length = 32, .address = ADDRESS(10, 2, 2, 3)};
	struct prefix elsewhere = {.length = 32, .address = ADDRESS(11, 1, 2, 3)};
	__u64 eight = 8, sixteen = 16;

	bpf_map_update_elem(&routes, &wide, &eight, BPF_ANY);
	bpf_map_update_elem(&routes, &narrow, &sixteen, BPF_ANY);
	look_up(0, &within);
	look_up(1, &beside);
	look_up(2, &elsewhere);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
