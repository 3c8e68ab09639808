// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Global variables, which are maps of one row: .bss, .data and .rodata; 5.2. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

const volatile __u32 step = 7;
__u64 sum = 1000;
__u64 packets;
__u32 lengths[4];
struct {
	__s32 least;
	__s32 most;
} range = {.least = 100000, .most = -1};

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	__s32 length = PT_REGS_PARM3(ctx);

	lengths[packets & 3] = length;
	packets++;
	sum += step;
	if (length < range.least)
		range.least = length;
	if (length > range.most)
		range.most = length;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
