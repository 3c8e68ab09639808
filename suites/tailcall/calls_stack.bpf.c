// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A function call keeps the caller's stack: two of 320 bytes are too much together,
 * until functions have stacks of their own.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

#define WORDS 40

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sums SEC(".maps");

static __noinline __u64 inner(__u64 from)
{
	volatile __u64 words[WORDS];
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < WORDS; i++)
		words[i] = from + i;
#pragma unroll
	for (int i = 0; i < WORDS; i++)
		sum += words[i];
	return sum;
}

SEC("kprobe/wake_up_new_task")
int outer(struct pt_regs *ctx)
{
	volatile __u64 words[WORDS];
	__u32 key = 0;
	__u64 sum;

#pragma unroll
	for (int i = 0; i < WORDS; i++)
		words[i] = i;
	sum = inner(words[3]) + words[2];
	bpf_map_update_elem(&sums, &key, &sum, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
