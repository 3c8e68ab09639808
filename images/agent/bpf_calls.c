/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf_calls.h"

#include "arguments.h"
#include "buffer.h"
#include "clock.h"
#include "text.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_CALLS 8192
#define MOST_ATTRIBUTE 256
#define MOST_DATA 4
#define LOG_SIZE (64 << 10)
/* Of a log, whose end is what decides. */
#define LOG_TOLD 400

struct call {
	unsigned char attribute[MOST_ATTRIBUTE];
	size_t size;
	/* What pointers in it lead to. */
	struct buffer data[MOST_DATA];
	/* A call that gave a descriptor which this one needs failed. */
	bool skipped;
};

static char log_text[LOG_SIZE];

/* Puts bytes where a request says; false where they would not fit. */
static bool put(unsigned char *bytes, size_t size, const json_t *at, const void *value,
		size_t length)
{
	json_int_t offset = json_integer_value(at);

	if (!json_is_integer(at) || offset < 0 || (size_t)offset + length > size)
		return false;
	if (length)
		memcpy(bytes + offset, value, length);
	return true;
}

/* Puts descriptors that earlier calls gave. */
static bool put_descriptors(struct call *call, unsigned char *bytes, size_t size,
			    const json_t *wanted, const int *given, size_t count)
{
	const json_t *each;
	size_t i;

	json_array_foreach (wanted, i, each) {
		json_int_t of = json_integer_value(json_object_get(each, "of"));
		int descriptor;

		if (of < 0 || (size_t)of >= count)
			return false;
		descriptor = given[of];
		call->skipped |= descriptor < 0;
		if (!put(bytes, size, json_object_get(each, "at"), &descriptor,
			 sizeof(descriptor)))
			return false;
	}
	return true;
}

static bool put_pointer(struct call *call, const json_t *at, const void *target)
{
	uint64_t pointer = (uintptr_t)target;

	return put(call->attribute, call->size, at, &pointer, sizeof(pointer));
}

static bool read_data(struct call *call, const json_t *wanted, const int *given,
		      size_t count, struct failure *failure)
{
	const json_t *each;
	size_t i;

	json_array_foreach (wanted, i, each) {
		struct buffer *data = &call->data[i];

		if (i >= MOST_DATA ||
		    !bytes_argument(each, "bytes", REQUIRED, data, failure))
			return false;
		if (!put_descriptors(call, data->data, data->size,
				     json_object_get(each, "fds"), given, count) ||
		    !put_pointer(call, json_object_get(each, "at"), data->data))
			return false;
	}
	return true;
}

/* Puts the id that a function has in the kernel's BTF. */
static bool put_btf_id(struct call *call, const json_t *wanted)
{
	const char *name = json_string_value(json_object_get(wanted, "name"));
	int id;

	if (!wanted)
		return true;
	if (!name)
		return false;
	id = libbpf_find_vmlinux_btf_id(name, BPF_TRACE_FENTRY);
	call->skipped |= id <= 0;
	return put(call->attribute, call->size, json_object_get(wanted, "at"), &id,
		   sizeof(id));
}

/* Reads a call; `given` are the descriptors of the `count` calls before. */
static bool read_call(struct call *call, const json_t *wanted, const int *given,
		      size_t count, struct failure *failure)
{
	struct buffer attribute = {0};
	const json_t *log_at = json_object_get(wanted, "log");
	bool read;

	if (!json_is_object(wanted) ||
	    !bytes_argument(wanted, "attr", REQUIRED, &attribute, failure))
		return false;
	call->size = attribute.size;
	if (call->size > MOST_ATTRIBUTE) {
		buffer_free(&attribute);
		return false;
	}
	if (call->size)
		memcpy(call->attribute, attribute.data, call->size);
	buffer_free(&attribute);
	read = read_data(call, json_object_get(wanted, "data"), given, count,
			 failure) &&
	       put_descriptors(call, call->attribute, call->size,
			       json_object_get(wanted, "fds"), given, count) &&
	       put_btf_id(call, json_object_get(wanted, "btf_id"));
	return read && (!log_at || put_pointer(call, log_at, log_text));
}

static json_t *log_json_of(const char *text)
{
	size_t length = strlen(text);
	size_t told = length < LOG_TOLD ? length : LOG_TOLD;

	return text_json(text + length - told, told);
}

/* Makes a call, and tells how it ended. */
static json_t *made(struct call *call, int command, int *descriptor)
{
	const char *name;
	long result;

	if (call->skipped)
		return json_pack("{s:b, s:s, s:s}", "done", 0, "errno", "ECANCELED",
				 "log", "");
	log_text[0] = '\0';
	result = syscall(__NR_bpf, command, call->attribute, call->size);
	name = result < 0 ? errno_name(errno) : NULL;
	*descriptor = (int)result;
	log_text[LOG_SIZE - 1] = '\0';
	return json_pack(
		"{s:b, s:o, s:o}", "done", result >= 0, "errno",
		result >= 0 ? json_null()
			    : (name ? json_string(name) : json_sprintf("%d", errno)),
		"log", log_json_of(log_text));
}

/* Makes one call that is asked for; NULL with a failure for what can't be read. */
static json_t *answer(const json_t *wanted, int *given, size_t count,
		      struct failure *failure)
{
	struct call call = {0};
	json_int_t command = json_integer_value(json_object_get(wanted, "cmd"));
	json_t *told = NULL;

	given[count] = -1;
	if (read_call(&call, wanted, given, count, failure))
		told = made(&call, (int)command, &given[count]);
	else if (!failure->message)
		fail(failure, "argument \"calls\": call %zu can't be read", count);
	for (size_t i = 0; i < MOST_DATA; i++)
		buffer_free(&call.data[i]);
	return told;
}

json_t *bpf_operation(const json_t *request, struct failure *failure)
{
	const json_t *wanted, *each;
	json_t *answers, *told;
	int64_t started = monotonic_ns();
	size_t count = 0, i;
	int *given;

	if (!array_argument(request, "calls", &wanted, failure))
		return NULL;
	if (json_array_size(wanted) > MOST_CALLS)
		return fail(failure, "argument \"calls\" has more than %d", MOST_CALLS);
	answers = json_array();
	given = must_resize(NULL, json_array_size(wanted) + 1, sizeof(*given));
	json_array_foreach (wanted, i, each) {
		told = answer(each, given, count, failure);
		if (!told)
			break;
		json_array_append_new(answers, told);
		count++;
	}
	for (i = 0; i < count; i++)
		if (given[i] > 0)
			close(given[i]);
	free(given);
	if (count < json_array_size(wanted)) {
		json_decref(answers);
		return NULL;
	}
	return json_pack("{s:o, s:I}", "answers", answers, "duration_us",
			 (json_int_t)((monotonic_ns() - started) / 1000));
}
