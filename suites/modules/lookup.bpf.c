// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A kernel function of a module: nf_conntrack looks a connection up that nobody has. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#define TCP 6
#define THIS_NAMESPACE -1

/* libbpf compares prototypes: a struct that is only declared is another kind of type.
 */
struct nf_conn {
	unsigned long status;
} __attribute__((preserve_access_index));

struct bpf_ct_opts___local {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

extern struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *packet,
					 struct bpf_sock_tuple *tuple, __u32 tuple_size,
					 struct bpf_ct_opts___local *options,
					 __u32 size) __ksym;
extern void bpf_ct_release(struct nf_conn *connection) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __s64);
} errors SEC(".maps");

SEC("xdp")
int look_up(struct xdp_md *packet)
{
	struct bpf_ct_opts___local options = {.netns_id = THIS_NAMESPACE,
					      .l4proto = TCP};
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *found;
	__u32 zero = 0;
	__s64 error;

	found = bpf_xdp_ct_lookup(packet, &tuple, sizeof(tuple.ipv4), &options,
				  sizeof(options));
	if (found)
		bpf_ct_release(found);
	error = options.error;
	bpf_map_update_elem(&errors, &zero, &error, BPF_ANY);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
