// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* ITER_UBUF is 6 from 6.0 on, 5 from 6.5 on and 0 from 6.6 on. The compiler puts the
 * number of 6.1 into the code.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum iter_type {
	ITER_IOVEC,
	ITER_KVEC,
	ITER_BVEC,
	ITER_PIPE,
	ITER_XARRAY,
	ITER_DISCARD,
	ITER_UBUF,
};

struct iov_iter {
	__u8 iter_type;
} __attribute__((preserve_access_index));

__u64 compiled, relocated;

SEC("kprobe/seq_read_iter")
int BPF_KPROBE(compares, void *file, struct iov_iter *to)
{
	__u8 type = BPF_CORE_READ(to, iter_type);

	if (type == ITER_UBUF)
		__sync_fetch_and_add(&compiled, 1);
	return 0;
}

SEC("kprobe/seq_read_iter")
int BPF_KPROBE(adapts, void *file, struct iov_iter *to)
{
	__u8 type = BPF_CORE_READ(to, iter_type);

	if (type == bpf_core_enum_value(enum iter_type, ITER_UBUF))
		__sync_fetch_and_add(&relocated, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
