/* SPDX-License-Identifier: Apache-2.0 */
#include "iterate.h"

#include "buffer.h"
#include "held.h"
#include "text.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#define CHUNK 4096
#define MOST_TEXT (1u << 20)

static bool read_all(int descriptor, struct buffer *text, struct failure *failure)
{
	for (;;) {
		ssize_t got;

		buffer_reserve(text, CHUNK);
		got = read(descriptor, text->data + text->size, CHUNK);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0) {
			fail_errno(failure, errno, "can't read from the iterator");
			return false;
		}
		if (!got)
			return true;
		text->size += (size_t)got;
		if (text->size > MOST_TEXT) {
			fail(failure, "the iterator prints more than %u bytes",
			     MOST_TEXT);
			return false;
		}
	}
}

/* A descriptor of the link of a program that the agent's libbpf attached; or -1. */
static int own_link(const struct object *object, const char *name)
{
	const struct bpf_program *program =
		bpf_object__find_program_by_name(object->bpf, name);
	const struct attachment *held = object_attachment(object, program);
	const struct bpf_link *link = held ? attachment_link(held) : NULL;

	return link ? fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 0) : -1;
}

/* The same of the first link that another loader made of a program, by its id. Links
 * have ids since 5.8, as kernels have iterators.
 */
static int link_of(uint32_t program)
{
	uint32_t id = 0;

	while (!bpf_link_get_next_id(id, &id)) {
		int descriptor = bpf_link_get_fd_by_id(id);
		struct bpf_link_info info = {0};
		uint32_t size = sizeof(info);

		if (descriptor < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(descriptor, &info, &size) &&
		    info.prog_id == program)
			return descriptor;
		close(descriptor);
	}
	return -1;
}

json_t *iterate_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct held_program program;
	struct buffer text = {0};
	json_t *printed = NULL;
	int link, descriptor;

	if (!object || !held_program_argument(object, request, &program, failure))
		return NULL;
	link = object->adopted ? link_of(program.id) : own_link(object, program.name);
	if (link < 0)
		return fail(failure, "program %s is not attached", program.name);
	descriptor = bpf_iter_create(link);
	close(link);
	if (descriptor < 0)
		return fail_errno(failure, errno, "%s is not an iterator",
				  program.name);
	if (read_all(descriptor, &text, failure))
		printed = json_pack("{s:o}", "text", text_json(text.data, text.size));
	close(descriptor);
	buffer_free(&text);
	return printed;
}
