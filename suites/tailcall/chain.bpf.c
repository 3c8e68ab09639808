// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A chain of programs, each with more than half of the 512 bytes of stack that a
 * program has: a tail call leaves the caller's stack behind. What goes from one to the
 * next goes through a map.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

#define WORDS 50
#define LINKS 4

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LINKS);
	__type(key, __u32);
	__type(value, __u64);
} sums SEC(".maps");

int second(struct pt_regs *ctx);
int third(struct pt_regs *ctx);
int fourth(struct pt_regs *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, LINKS);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct pt_regs *));
} chain SEC(".maps") = {
	.values = {[1] = second, [2] = third, [3] = fourth},
};

/* 400 bytes of stack that the compiler can't do without. */
static __always_inline void work(void *ctx, __u32 link)
{
	volatile __u64 words[WORDS];
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < WORDS; i++)
		words[i] = link + i;
#pragma unroll
	for (int i = 0; i < WORDS; i++)
		sum += words[i];
	bpf_map_update_elem(&sums, &link, &sum, BPF_ANY);
	bpf_tail_call(ctx, &chain, link + 1);
}

SEC("kprobe/wake_up_new_task")
int first(struct pt_regs *ctx)
{
	work(ctx, 0);
	return 0;
}

SEC("kprobe/wake_up_new_task")
int second(struct pt_regs *ctx)
{
	work(ctx, 1);
	return 0;
}

SEC("kprobe/wake_up_new_task")
int third(struct pt_regs *ctx)
{
	work(ctx, 2);
	return 0;
}

/* Calls what is beyond the array, which goes on behind the call. */
SEC("kprobe/wake_up_new_task")
int fourth(struct pt_regs *ctx)
{
	work(ctx, 3);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
