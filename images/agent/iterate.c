/* SPDX-License-Identifier: Apache-2.0 */
#include "iterate.h"

#include "buffer.h"
#include "object.h"
#include "text.h"

#include <bpf/bpf.h>
#include <errno.h>
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

json_t *iterate_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_program *program =
		object ? program_argument(object, request, failure) : NULL;
	const struct bpf_link *link = program ? object_link(object, program) : NULL;
	struct buffer text = {0};
	json_t *printed = NULL;
	int descriptor;

	if (!program)
		return NULL;
	if (!link)
		return fail(failure, "program %s is not attached",
			    bpf_program__name(program));
	descriptor = bpf_iter_create(bpf_link__fd(link));
	if (descriptor < 0)
		return fail_errno(failure, errno, "%s is not an iterator",
				  bpf_program__name(program));
	if (read_all(descriptor, &text, failure))
		printed = json_pack("{s:o}", "text", text_json(text.data, text.size));
	close(descriptor);
	buffer_free(&text);
	return printed;
}
