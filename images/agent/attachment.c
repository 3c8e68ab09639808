/* SPDX-License-Identifier: Apache-2.0 */
#include "attachment.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int end_link(const struct attachment *attachment)
{
	return -bpf_link__destroy(attachment->by.link);
}

bool hold_link(struct attachment *made, struct bpf_link *link)
{
	*made = (struct attachment){.end = end_link, .by.link = link};
	return link != NULL;
}

static int end_links(const struct attachment *attachment)
{
	int error = 0;

	for (size_t i = 0; i < attachment->by.several.count; i++) {
		int failed = -bpf_link__destroy(attachment->by.several.links[i]);

		error = error ? error : failed;
	}
	free(attachment->by.several.links);
	return error;
}

void hold_links(struct attachment *made, struct bpf_link **links, size_t count)
{
	*made = (struct attachment){.end = end_links};
	made->by.several.links = links;
	made->by.several.count = count;
}

static int end_descriptor(const struct attachment *attachment)
{
	return close(attachment->by.descriptor) < 0 ? errno : 0;
}

bool has_links(void)
{
	struct {
		int program;
		__u32 target, type, flags;
	} attr = {-1, 0, BPF_CGROUP_INET_INGRESS, 0};

	/* A kernel that knows the command looks for the program. */
	return syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) >= 0 ||
	       errno != EINVAL;
}

bool hold_new_link(struct attachment *made, const struct bpf_program *program,
		   __u32 target, __u32 type, __u32 flags, const void *more, size_t size)
{
	/* The start of bpf_attr's link_create: kernels take a longer one only if what
	 * they do not know is zero.
	 */
	struct {
		__u32 program, target, type, flags;
		__u8 more[MOST_OF_LINK];
	} attr = {(__u32)bpf_program__fd(program), target, type, flags, {0}};

	if (more)
		memcpy(attr.more, more, size);
	*made = (struct attachment){.end = end_descriptor};
	made->by.descriptor =
		(int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return made->by.descriptor >= 0;
}

static int end_attached(const struct attachment *attachment)
{
	int error = bpf_prog_detach2(attachment->by.attached.program,
				     attachment->by.attached.place,
				     attachment->by.attached.type);

	close(attachment->by.attached.place);
	close(attachment->by.attached.program);
	return error ? errno : 0;
}

bool hold_attached(struct attachment *made, const struct bpf_program *program,
		   int target, enum bpf_attach_type type, __u32 flags)
{
	if (bpf_prog_attach(bpf_program__fd(program), target, type, flags))
		return false;
	*made = (struct attachment){.end = end_attached};
	made->by.attached.place = fcntl(target, F_DUPFD_CLOEXEC, 0);
	made->by.attached.program = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 0);
	made->by.attached.type = type;
	return true;
}

const struct bpf_link *attachment_link(const struct attachment *attachment)
{
	return attachment->end == end_link ? attachment->by.link : NULL;
}
