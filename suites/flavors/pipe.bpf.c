// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* How full a pipe is, when it is asked by FIONREAD.
 *
 * Up to 5.4 a pipe counts the buffers in use, from 5.5 on it has a head and a tail
 * (8cefc107ca54); since 6.14 these are in a union within it (3d252160b818), which makes
 * no difference to CO-RE.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct pipe_buffer {
	unsigned int len;
} __attribute__((preserve_access_index));

struct pipe_inode_info {
	unsigned int head;
	unsigned int tail;
	unsigned int ring_size;
	struct pipe_buffer *bufs;
} __attribute__((preserve_access_index));

struct pipe_inode_info___before_5_5 {
	unsigned int nrbufs;
	unsigned int buffers;
} __attribute__((preserve_access_index));

struct file {
	void *private_data;
} __attribute__((preserve_access_index));

struct seen {
	__u32 used;
	__u32 pages;
	__u32 first_length;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct seen);
} pipes SEC(".maps");

SEC("kprobe/pipe_ioctl")
int on_ask(struct pt_regs *ctx)
{
	struct file *file = (void *)PT_REGS_PARM1(ctx);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct pipe_inode_info___before_5_5 *old;
	struct pipe_inode_info *pipe = 0;
	struct pipe_buffer *buffers = 0;
	struct seen seen = {};
	__u32 head = 0, tail = 0;

	bpf_core_read(&pipe, sizeof(pipe), &file->private_data);
	old = (void *)pipe;
	if (bpf_core_field_exists(pipe->ring_size)) {
		bpf_core_read(&head, sizeof(head), &pipe->head);
		bpf_core_read(&tail, sizeof(tail), &pipe->tail);
		seen.used = head - tail;
		bpf_core_read(&seen.pages, sizeof(seen.pages), &pipe->ring_size);
	} else {
		bpf_core_read(&seen.used, sizeof(seen.used), &old->nrbufs);
		bpf_core_read(&seen.pages, sizeof(seen.pages), &old->buffers);
	}
	bpf_core_read(&buffers, sizeof(buffers), &pipe->bufs);
	bpf_core_read(&seen.first_length, sizeof(seen.first_length), &buffers->len);
	bpf_map_update_elem(&pipes, &tgid, &seen, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
