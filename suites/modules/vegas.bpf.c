// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A function of a module, and a struct that only this module has. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;

struct inet_connection_sock {
	__u64 icsk_ca_priv[1];
} __attribute__((preserve_access_index));

struct vegas {
	__u8 doing_vegas_now;
	__u32 baseRTT;
} __attribute__((preserve_access_index));

struct seen {
	__u64 sockets;
	__u32 doing;
	__u32 least_delay;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} begun SEC(".maps");

/* Where tcp_vegas keeps what it knows of a connection: inet_csk_ca(). */
static __always_inline const struct vegas *vegas_of(const struct sock *sk)
{
	return (const void *)sk +
	       bpf_core_field_offset(struct inet_connection_sock, icsk_ca_priv);
}

SEC("fexit/tcp_vegas_init")
int BPF_PROG(on_init, struct sock *sk)
{
	const struct vegas *vegas = vegas_of(sk);
	__u32 zero = 0;
	struct seen *seen = bpf_map_lookup_elem(&begun, &zero);

	if (!seen)
		return 0;
	__sync_fetch_and_add(&seen->sockets, 1);
	seen->doing = BPF_CORE_READ(vegas, doing_vegas_now);
	seen->least_delay = BPF_CORE_READ(vegas, baseRTT);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
