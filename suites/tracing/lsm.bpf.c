// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A security module's hook: it sees the command that is about to run, and refuses one.
 */
#include <linux/bpf.h>
#include <asm-generic/errno-base.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define NAME_LENGTH 32

struct linux_binprm {
	const char *filename;
	int argc;
} __attribute__((preserve_access_index));

struct seen {
	__u32 argc;
	char filename[NAME_LENGTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct seen);
} commands SEC(".maps");

/* /bin/false may not run. */
static __always_inline int is_forbidden(const char *name)
{
	static const char forbidden[] = "/bin/false";

#pragma unroll
	for (int i = 0; i < sizeof(forbidden); i++)
		if (name[i] != forbidden[i])
			return 0;
	return 1;
}

SEC("lsm/bprm_check_security")
int BPF_PROG(on_exec, struct linux_binprm *program, int result)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct seen seen = {.argc = program->argc};

	bpf_probe_read_kernel_str(seen.filename, sizeof(seen.filename),
				  program->filename);
	bpf_map_update_elem(&commands, &tgid, &seen, BPF_ANY);
	return is_forbidden(seen.filename) ? -EPERM : result;
}

char _license[] SEC("license") = "Dual BSD/GPL";
