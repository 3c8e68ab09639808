/* SPDX-License-Identifier: Apache-2.0 */
/* What holds a program, or a struct_ops map, at its place, and how that ends. */
#ifndef ATTACHMENT_H
#define ATTACHMENT_H

#include <bpf/libbpf.h>
#include <stdbool.h>

/* What is to be attached, and where. */
struct aim {
	const struct bpf_program *program;
	/* What is behind the kind of place: "lo/egress" of "tc/lo/egress"; may be
	 * empty.
	 */
	const char *place;
	/* The program's. */
	const struct bpf_object *object;
};

struct attachment {
	/* Returns 0 or an errno. */
	int (*end)(const struct attachment *attachment);
	/* Which of them is there depends on `end`. */
	union {
		/* libbpf's. */
		struct bpf_link *link;
		/* libbpf's, one for each processor. */
		struct {
			struct bpf_link **links;
			size_t count;
		} several;
		/* A link of the kernel's that libbpf knows nothing of. */
		int descriptor;
		/* What BPF_PROG_ATTACH was called with: copies of descriptors. */
		struct {
			int place, program;
			enum bpf_attach_type type;
		} attached;
		/* A filter of tc, on an interface. */
		struct {
			int interface;
			enum bpf_tc_attach_point point;
			__u32 handle, priority;
		} filter;
		/* An XDP program without a link, before 5.9. */
		struct {
			int interface;
			__u32 flags;
		} xdp;
	} by;
};

/* Each returns false with errno where nothing was attached. */

/* A link that libbpf made, or NULL with errno. */
bool hold_link(struct attachment *made, struct bpf_link *link);
/* Links that libbpf made, in an array of its own. */
void hold_links(struct attachment *made, struct bpf_link **links, size_t count);
/* Whether the kernel has BPF_LINK_CREATE, which is of 5.7. */
bool has_links(void);
/* BPF_LINK_CREATE, with what is behind its flags: at most MOST_OF_LINK bytes, or NULL.
 * The types may be newer than this libbpf.
 */
#define MOST_OF_LINK 48
bool hold_new_link(struct attachment *made, const struct bpf_program *program,
		   __u32 target, __u32 type, __u32 flags, const void *more,
		   size_t size);
/* BPF_PROG_ATTACH, which goes on after its callers' descriptors were closed. */
bool hold_attached(struct attachment *made, const struct bpf_program *program,
		   int target, enum bpf_attach_type type, __u32 flags);

/* NULL for what libbpf has no link for. */
const struct bpf_link *attachment_link(const struct attachment *attachment);

#endif
