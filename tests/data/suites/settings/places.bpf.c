// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs of sections that do not say where to: a suite does. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* By program. */
enum { UPROBE, URETPROBE, XDP, CGROUP, PLACES };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static void count(__u32 place)
{
	__u64 *value = bpf_map_lookup_elem(&seen, &place);

	if (value)
		*value += 1;
}

SEC("uprobe")
int enters(void *context)
{
	count(UPROBE);
	return 0;
}

SEC("uretprobe")
int leaves(void *context)
{
	count(URETPROBE);
	return 0;
}

SEC("xdp")
int receives(void *context)
{
	count(XDP);
	return XDP_PASS;
}

SEC("cgroup_skb/egress")
int sends(void *context)
{
	count(CGROUP);
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
