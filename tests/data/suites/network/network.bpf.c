// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts what the triggers `tcp` and `udp` make the kernel do. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

enum { TCP_4, TCP_6, ACCEPTED, ICMP_4, ICMP_6, KINDS };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KINDS);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

static int count(__u32 kind)
{
	__u64 *value = bpf_map_lookup_elem(&calls, &kind);

	if (value)
		__sync_fetch_and_add(value, 1);
	return 0;
}

SEC("kprobe/tcp_v4_connect")
int connects(void *ctx)
{
	return count(TCP_4);
}

SEC("kprobe/tcp_v6_connect")
int connects_by_ipv6(void *ctx)
{
	return count(TCP_6);
}

SEC("kretprobe/inet_csk_accept")
int accepts(void *ctx)
{
	return count(ACCEPTED);
}

SEC("kprobe/__icmp_send")
int is_unreachable(void *ctx)
{
	return count(ICMP_4);
}

SEC("kprobe/icmp6_send")
int is_unreachable_by_ipv6(void *ctx)
{
	return count(ICMP_6);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
