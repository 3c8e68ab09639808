/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What arrives at sockets that a map holds. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PORT 4321

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u32);
} receivers SEC(".maps");

enum deed { ESTABLISHED, PARSED, VERDICTS, BYTES, DEEDS };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DEEDS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline void add(__u32 deed, __u64 number)
{
	__u64 *count = bpf_map_lookup_elem(&counts, &deed);

	if (count)
		__sync_fetch_and_add(count, number);
}

/* Keeps the side that listened. */
SEC("sockops")
int on_established(struct bpf_sock_ops *socket)
{
	__u64 cookie;

	if (socket->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB ||
	    socket->local_port != PORT)
		return 1;
	cookie = bpf_get_socket_cookie(socket);
	add(ESTABLISHED, 1);
	bpf_sock_hash_update(socket, &receivers, &cookie, BPF_ANY);
	return 1;
}

/* Says how long a message is: all that is there. */
SEC("sk_skb")
int on_stream(struct __sk_buff *skb)
{
	add(PARSED, 1);
	return skb->len;
}

SEC("sk_skb")
int on_verdict(struct __sk_buff *skb)
{
	add(VERDICTS, 1);
	add(BYTES, skb->len);
	return SK_PASS;
}

char _license[] SEC("license") = "GPL";
