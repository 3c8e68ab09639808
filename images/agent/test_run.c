/* SPDX-License-Identifier: Apache-2.0 */
#include "test_run.h"

#include "arguments.h"
#include "buffer.h"
#include "held.h"
#include "text.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#define MOST_REPEATS 1000000
/* Programs may grow a packet, up to what the kernel gives it. */
#define DATA_ROOM 65536

/* Program types that take a context and nothing else; any more is EINVAL. */
static bool takes_context_only(enum bpf_prog_type type)
{
	return type == BPF_PROG_TYPE_RAW_TRACEPOINT || type == BPF_PROG_TYPE_SYSCALL;
}

static json_t *run(const struct held_program *program, struct buffer *data,
		   struct buffer *context, json_int_t repeat, struct failure *failure)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	struct buffer data_out = {0}, context_out = {0};
	json_t *result = NULL;
	int error;

	if (context->size) {
		options.ctx_in = context->data;
		options.ctx_size_in = (uint32_t)context->size;
	}
	if (!takes_context_only(program->type)) {
		buffer_reserve(&data_out, data->size + DATA_ROOM);
		options.repeat = (int)repeat;
		options.data_in = data->data;
		options.data_size_in = (uint32_t)data->size;
		options.data_out = data_out.data;
		options.data_size_out = (uint32_t)data_out.capacity;
		if (context->size) {
			buffer_reserve(&context_out, context->size);
			options.ctx_out = context_out.data;
			options.ctx_size_out = (uint32_t)context->size;
		}
	}
	error = bpf_prog_test_run_opts(program->descriptor, &options);
	if (error)
		fail_errno(failure, -error, "can't test-run %s", program->name);
	else
		result = json_pack(
			"{s:I, s:I, s:o, s:o}", "retval", (json_int_t)options.retval,
			"duration_ns", (json_int_t)options.duration, "data_out",
			base64_json(data_out.data, options.data_size_out), "ctx_out",
			base64_json(context_out.data, options.ctx_size_out));
	buffer_free(&data_out);
	buffer_free(&context_out);
	return result;
}

json_t *test_run_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct held_program program;
	struct buffer data = {0}, context = {0};
	json_int_t repeat = 1;
	json_t *result = NULL;

	if (!object || !held_program_argument(object, request, &program, failure))
		return NULL;
	if (program.descriptor < 0)
		return fail(failure, "program %s is not loaded", program.name);
	if (integer_argument(request, "repeat", OPTIONAL, 1, MOST_REPEATS, &repeat,
			     failure) &&
	    bytes_argument(request, "data", REQUIRED, &data, failure) &&
	    bytes_argument(request, "ctx", OPTIONAL, &context, failure))
		result = run(&program, &data, &context, repeat, failure);
	buffer_free(&data);
	buffer_free(&context);
	return result;
}
