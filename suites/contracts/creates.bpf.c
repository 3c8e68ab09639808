// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* vfs_create() got another first argument in 5.12 (6521f8917082), so that its dentry is
 * the third one, and lost the folder in 7.0, so that it is the second one again.
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

static __always_inline int note(__u32 length)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	bpf_map_update_elem(&lengths, &pid, &length, BPF_ANY);
	return 0;
}

SEC("fentry/vfs_create")
int BPF_PROG(third, void *idmap, void *dir, struct dentry *created)
{
	return note(created->d_name.len);
}

SEC("kprobe/vfs_create")
int BPF_KPROBE(second, void *first, struct dentry *created)
{
	return note(BPF_CORE_READ(created, d_name.len));
}

char _license[] SEC("license") = "Dual BSD/GPL";
