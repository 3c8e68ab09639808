/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What processes do, where the kernel does it. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum deed { UNLINKED, RENAMED, MAPPED, SIGNALLED };

struct who {
	__u32 pid, deed;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct who);
	__type(value, __u32);
} deeds SEC(".maps");

static __always_inline int count(__u32 deed)
{
	struct who who = {bpf_get_current_pid_tgid() >> 32, deed};
	__u32 one = 1, *found = bpf_map_lookup_elem(&deeds, &who);

	if (found)
		__sync_fetch_and_add(found, 1);
	else
		bpf_map_update_elem(&deeds, &who, &one, BPF_ANY);
	return 0;
}

SEC("kprobe/vfs_unlink")
int on_unlink(void *context)
{
	return count(UNLINKED);
}

SEC("kprobe/vfs_rename")
int on_rename(void *context)
{
	return count(RENAMED);
}

SEC("kprobe/vm_mmap_pgoff")
int on_mmap(void *context)
{
	return count(MAPPED);
}

SEC("tracepoint/signal/signal_generate")
int on_signal(void *context)
{
	return count(SIGNALLED);
}

char _license[] SEC("license") = "Dual BSD/GPL";
