// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a kernel knows of a process that sends UDP packets, and of its socket: numbers
 * that it chooses itself (pids, a time, an address) next to those that must be the same
 * on each kernel.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define COMM_LENGTH 16
#define PAYLOAD 77

struct sock_common {
	unsigned short skc_family;
	unsigned short skc_num;
	unsigned char skc_state;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

struct sender {
	__u64 first_ns;
	__u64 sock;
	__u32 pid;
	__u32 packets;
	__u64 bytes;
	__u16 family;
	__u16 state;
	char comm[COMM_LENGTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	/* As bpf_get_current_pid_tgid() returns it. */
	__type(key, __u64);
	__type(value, struct sender);
} senders SEC(".maps");

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	struct sock *sk = (void *)PT_REGS_PARM1(ctx);
	__u64 length = PT_REGS_PARM3(ctx);
	__u64 id = bpf_get_current_pid_tgid();
	struct sender *known, new = {};
	unsigned char state = 0;

	/* The guest's own packets, if it sends any, have other sizes. */
	if (length != PAYLOAD)
		return 0;
	known = bpf_map_lookup_elem(&senders, &id);
	if (known) {
		known->packets++;
		known->bytes += length;
		return 0;
	}
	new.first_ns = bpf_ktime_get_ns();
	new.sock = (__u64)(unsigned long)sk;
	new.pid = id;
	new.packets = 1;
	new.bytes = length;
	bpf_core_read(&new.family, sizeof(new.family), &sk->__sk_common.skc_family);
	bpf_core_read(&state, sizeof(state), &sk->__sk_common.skc_state);
	new.state = state;
	bpf_get_current_comm(&new.comm, sizeof(new.comm));
	bpf_map_update_elem(&senders, &id, &new, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
