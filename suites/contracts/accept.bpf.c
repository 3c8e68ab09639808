// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What inet_csk_accept() returns stands behind its arguments: there were four up
 * to 6.9, and there are two from 6.10 on (92ef0fd55ac8). Typed programs that read the
 * fifth place are refused then, as the verifier knows the prototype.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock_common {
	unsigned short skc_num;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

struct proto_accept_arg;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u16);
} ports SEC(".maps");

static __always_inline int note(struct sock *accepted)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	/* 5.5's interpreter reads no more than this, and leaves what was in the
	 * register's other bits.
	 */
	__u16 port;

	if (!accepted)
		return 0;
	port = accepted->__sk_common.skc_num;
	bpf_map_update_elem(&ports, &pid, &port, BPF_ANY);
	return 0;
}

SEC("fexit/inet_csk_accept")
int BPF_PROG(four, struct sock *sk, int flags, int *err, int kern,
	     struct sock *accepted)
{
	return note(accepted);
}

SEC("fexit/inet_csk_accept")
int BPF_PROG(two, struct sock *sk, struct proto_accept_arg *arg, struct sock *accepted)
{
	return note(accepted);
}

char _license[] SEC("license") = "Dual BSD/GPL";
