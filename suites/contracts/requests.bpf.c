// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The tracepoint block_rq_issue passed on a queue before the request up to 5.10.136
 * (a54895fa057c in 5.11), and its record has a priority before rwbs from 6.10 on.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct request_queue;

struct request {
	unsigned int __data_len;
} __attribute__((preserve_access_index));

/* As 6.1 has it. */
struct issued {
	__u64 common;
	__u32 dev;
	__u64 sector;
	__u32 nr_sector;
	__u32 bytes;
	char rwbs[8];
};

unsigned int length, kind;

SEC("tp_btf/block_rq_issue")
int BPF_PROG(queued, struct request_queue *queue, struct request *request)
{
	length = request->__data_len;
	return 0;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(alone, struct request *request)
{
	length = request->__data_len;
	return 0;
}

SEC("tracepoint/block/block_rq_issue")
int recorded(struct issued *record)
{
	kind = record->rwbs[0];
	return 0;
}

char _license[] SEC("license") = "GPL";
