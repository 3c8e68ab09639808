/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What happens to sockets: where connections are looked up, when they are established,
 * and what is sent through those that a map holds.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PORT 4321

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u32);
} sockets SEC(".maps");

enum deed { LOOKED_UP, ESTABLISHED, MESSAGES, BYTES, CONNECTED, DEEDS };

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

SEC("sk_lookup")
int on_lookup(struct bpf_sk_lookup *lookup)
{
	if (lookup->local_port == PORT)
		add(LOOKED_UP, 1);
	return SK_PASS;
}

/* Keeps the side that connects. */
SEC("sockops")
int on_established(struct bpf_sock_ops *socket)
{
	__u64 cookie;

	if (socket->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ||
	    bpf_ntohl(socket->remote_port) != PORT)
		return 1;
	cookie = bpf_get_socket_cookie(socket);
	add(ESTABLISHED, 1);
	bpf_sock_hash_update(socket, &sockets, &cookie, BPF_ANY);
	return 1;
}

SEC("sk_msg")
int on_message(struct sk_msg_md *message)
{
	add(MESSAGES, 1);
	add(BYTES, message->size);
	return SK_PASS;
}

SEC("cgroup/connect4")
int on_connect(struct bpf_sock_addr *address)
{
	if (address->user_port == bpf_htons(PORT))
		add(CONNECTED, 1);
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
