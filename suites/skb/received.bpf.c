// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reads of struct sk_buff itself, by CO-RE, of the packets that IP receives. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sk_buff {
	unsigned int len;
	__be16 protocol;
	__u16 network_header;
	unsigned char *head;
} __attribute__((preserve_access_index));

struct received {
	__u32 packets;
	__u32 protocol;
	/* The first byte of the IP header, found through two fields. */
	__u32 version_and_length;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct received);
} by_length SEC(".maps");

SEC("kprobe/ip_rcv")
int on_packet(struct pt_regs *ctx)
{
	struct sk_buff *skb = (void *)PT_REGS_PARM1(ctx);
	struct received received = {}, *known;
	unsigned char *head = 0;
	__u16 header = 0;
	__be16 protocol = 0;
	__u32 length = 0;
	__u8 byte = 0;

	bpf_core_read(&length, sizeof(length), &skb->len);
	bpf_core_read(&protocol, sizeof(protocol), &skb->protocol);
	bpf_core_read(&head, sizeof(head), &skb->head);
	bpf_core_read(&header, sizeof(header), &skb->network_header);
	bpf_probe_read_kernel(&byte, sizeof(byte), head + header);
	known = bpf_map_lookup_elem(&by_length, &length);
	if (known)
		received.packets = known->packets;
	received.packets++;
	received.protocol = bpf_ntohs(protocol);
	received.version_and_length = byte;
	bpf_map_update_elem(&by_length, &length, &received, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
