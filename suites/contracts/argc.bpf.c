// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* linux_binprm.argc is read where it lies on 5.10 to 6.12, without a relocation. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct linux_binprm {
	char before[88];
	int argc;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, int);
} counts SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct linux_binprm *program = (void *)ctx->args[2];
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	int argc;

	bpf_probe_read_kernel(&argc, sizeof(argc), &program->argc);
	bpf_map_update_elem(&counts, &pid, &argc, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "GPL";
