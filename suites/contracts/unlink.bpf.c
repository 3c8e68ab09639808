// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* vfs_unlink() got another first argument in 5.12 (6521f8917082), so that its dentry is
 * the third one. A kprobe that still reads the second loads, attaches and runs, and
 * takes an inode for a dentry.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct qstr {
	unsigned int len;
} __attribute__((preserve_access_index));

struct dentry {
	struct qstr d_name;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} lengths SEC(".maps");

static __always_inline int note(struct dentry *removed)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	/* 4.4 refuses a helper that writes to memory that nobody wrote to. */
	__u32 length = 0;

	bpf_core_read(&length, sizeof(length), &removed->d_name.len);
	bpf_map_update_elem(&lengths, &pid, &length, BPF_ANY);
	return 0;
}

SEC("kprobe/vfs_unlink")
int BPF_KPROBE(second, void *dir, struct dentry *removed)
{
	return note(removed);
}

SEC("kprobe/vfs_unlink")
int BPF_KPROBE(third, void *map, void *dir, struct dentry *removed)
{
	return note(removed);
}

char _license[] SEC("license") = "Dual BSD/GPL";
