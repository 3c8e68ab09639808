/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One object with a program for each place of the network, as agents of meshes and
 * firewalls are. All count into one map.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define PORT 4321
/* Of the packets that the case sends, with and without the Ethernet header. */
#define UDP_PACKET (20 + 8 + 1000)
#define UDP_FRAME (14 + UDP_PACKET)

struct sock;

struct sk_buff {
	__u32 len;
} __attribute__((preserve_access_index));

struct bpf_nf_ctx {
	struct sk_buff *skb;
} __attribute__((preserve_access_index));

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*init)(struct sock *sk);
	char name[16];
} __attribute__((preserve_access_index));

enum place {
	TC,
	TCX,
	NETFILTER,
	CONNECTED,
	ESTABLISHED,
	LOOKED_UP,
	MESSAGES,
	CONGESTION,
	PLACES
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u32);
} sockets SEC(".maps");

static __always_inline void count(__u32 place)
{
	__u64 *number = bpf_map_lookup_elem(&counts, &place);

	if (number)
		__sync_fetch_and_add(number, 1);
}

SEC("tc")
int on_tc(struct __sk_buff *skb)
{
	if (skb->len == UDP_FRAME)
		count(TC);
	return -1; /* TC_ACT_UNSPEC, and TCX_NEXT: goes on. */
}

SEC("tc")
int on_tcx(struct __sk_buff *skb)
{
	if (skb->len == UDP_FRAME)
		count(TCX);
	return -1;
}

SEC("netfilter")
int on_netfilter(struct bpf_nf_ctx *context)
{
	if (context->skb->len == UDP_PACKET)
		count(NETFILTER);
	return 1; /* NF_ACCEPT */
}

SEC("cgroup/connect4")
int on_connect(struct bpf_sock_addr *address)
{
	if (address->user_port == bpf_htons(PORT))
		count(CONNECTED);
	return 1;
}

SEC("sockops")
int on_established(struct bpf_sock_ops *socket)
{
	__u64 cookie;

	if (socket->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ||
	    bpf_ntohl(socket->remote_port) != PORT)
		return 1;
	cookie = bpf_get_socket_cookie(socket);
	count(ESTABLISHED);
	bpf_sock_hash_update(socket, &sockets, &cookie, BPF_ANY);
	return 1;
}

SEC("sk_lookup")
int on_lookup(struct bpf_sk_lookup *lookup)
{
	if (lookup->local_port == PORT)
		count(LOOKED_UP);
	return SK_PASS;
}

SEC("sk_msg")
int on_message(struct sk_msg_md *message)
{
	count(MESSAGES);
	return SK_PASS;
}

SEC("struct_ops/init")
void BPF_PROG(on_init, struct sock *sk)
{
	count(CONGESTION);
}

SEC("struct_ops/ssthresh")
__u32 BPF_PROG(on_loss, struct sock *sk)
{
	return 2;
}

SEC("struct_ops/cong_avoid")
void BPF_PROG(on_ack, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(on_undo, struct sock *sk)
{
	return 10;
}

SEC(".struct_ops")
struct tcp_congestion_ops everything = {
	.init = (void *)on_init,
	.ssthresh = (void *)on_loss,
	.cong_avoid = (void *)on_ack,
	.undo_cwnd = (void *)on_undo,
	.name = "everything",
};

char _license[] SEC("license") = "GPL";
