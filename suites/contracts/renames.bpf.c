// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The LSM hook path_rename got a fifth argument, the flags, in 5.19 (100f59d96405).
 * What stood behind the fourth one, what other programs returned, is behind the fifth
 * there.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, int);
} returned SEC(".maps");

static __always_inline int note(int ret)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	bpf_map_update_elem(&returned, &pid, &ret, BPF_ANY);
	return 0;
}

SEC("lsm/path_rename")
int BPF_PROG(four, void *from, void *old, void *to, void *new, int ret)
{
	return note(ret);
}

SEC("lsm/path_rename")
int BPF_PROG(five, void *from, void *old, void *to, void *new, int flags, int ret)
{
	return note(ret);
}

char _license[] SEC("license") = "GPL";
