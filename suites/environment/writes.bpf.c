// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Calls bpf_probe_write_user(), which a kernel that is locked down for integrity does
 * not offer (51e1bb9eeaf7, 5.14, and stable kernels since).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_sync")
int on_sync(void *ctx)
{
	__u32 zero = 0;

	/* Nobody has this address. */
	bpf_probe_write_user((void *)8, &zero, sizeof(zero));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
