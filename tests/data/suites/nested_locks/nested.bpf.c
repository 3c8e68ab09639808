// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Two queues whose locks are of one class. One queue is pushed to while the lock of the
 * other is held: harmless here, but with the same queue twice, the kernel would hang.
 * lockdep can't tell them apart, and reports it.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct queue {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, __u64);
};

struct queue outer SEC(".maps");
struct queue inner SEC(".maps");

volatile bool pushing;
volatile int pushed;

SEC("socket")
int pushes(struct __sk_buff *skb)
{
	__u64 value = 1;

	pushing = true;
	bpf_map_push_elem(&outer, &value, BPF_EXIST);
	return pushed;
}

/* The queue's lock is still held when this function begins. */
SEC("kprobe/_raw_spin_unlock_irqrestore")
int pushes_meanwhile(void *registers)
{
	__u64 value = 2;

	if (!pushing)
		return 0;
	pushing = false;
	pushed = bpf_map_push_elem(&inner, &value, BPF_EXIST) ? 2 : 1;
	return 0;
}

char _license[] SEC("license") = "GPL";
