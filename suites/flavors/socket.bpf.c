// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Bits of sockets that became numbers, and bits that became bits of a number; read for
 * the sockets that send UDP.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Of an enum without a name, which can't be relocated. */
#define INET_FLAGS_FREEBIND 11

struct sock {
	/* Bits up to 5.5, two bytes from 5.6 on (bf9765145b85). */
	unsigned int sk_protocol : 8;
	unsigned int sk_type : 16;
} __attribute__((preserve_access_index));

/* From 6.6 on (c274af224269). */
struct inet_sock {
	unsigned long inet_flags;
} __attribute__((preserve_access_index));

struct inet_sock___before_6_6 {
	__u8 freebind : 1;
} __attribute__((preserve_access_index));

struct seen {
	__u32 protocol;
	__u32 type;
	__u32 freebind;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct seen);
} sockets SEC(".maps");

static __always_inline __u32 freebind_of(struct inet_sock *inet)
{
	struct inet_sock___before_6_6 *old = (void *)inet;
	unsigned long flags = 0;

	if (bpf_core_field_exists(inet->inet_flags)) {
		bpf_core_read(&flags, sizeof(flags), &inet->inet_flags);
		return flags >> INET_FLAGS_FREEBIND & 1;
	}
	return BPF_CORE_READ_BITFIELD_PROBED(old, freebind);
}

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	struct sock *sock = (void *)PT_REGS_PARM1(ctx);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct seen seen = {};

	/* It asks for the field's size, offset and sign, so that it reads numbers too.
	 */
	seen.protocol = BPF_CORE_READ_BITFIELD_PROBED(sock, sk_protocol);
	seen.type = BPF_CORE_READ_BITFIELD_PROBED(sock, sk_type);
	seen.freebind = freebind_of((void *)sock);
	bpf_map_update_elem(&sockets, &tgid, &seen, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
