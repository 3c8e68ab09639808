// SPDX-License-Identifier: Apache-2.0
#include "request.h"

#include "describe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bpf/libbpf.h>

static struct {
	__u8 *data;
	size_t size;
} shared;

static char said[1024];

bool share_memory(int descriptor)
{
	struct stat status;
	void *data;

	if (fstat(descriptor, &status))
		return false;
	shared.size = status.st_size;
	data = mmap(NULL, shared.size, PROT_READ, MAP_SHARED, descriptor, 0);
	shared.data = data;
	return data != MAP_FAILED;
}

/* Payloads lie one after the other, each with its padding. */
static bool find_payloads(struct request *request)
{
	json_t *list = json_object_get(request->json, "sizes"), *size;
	size_t i, at = 0;

	request->count = json_array_size(list);
	if (request->count > MAX_PAYLOADS)
		return false;
	json_array_foreach (list, i, size) {
		json_int_t length = json_integer_value(size);

		if (length < 0 || (size_t)length > shared.size ||
		    shared.size - length < at + PADDING)
			return false;
		request->payloads[i] = (struct payload){shared.data + at, length};
		at += length + PADDING;
	}
	return true;
}

bool read_request(struct request *request)
{
	char *line = NULL;
	size_t room = 0;

	if (getline(&line, &room, stdin) <= 0)
		return free(line), false;
	request->json = json_loads(line, 0, NULL);
	free(line);
	return find_payloads(request);
}

void forget_request(struct request *request)
{
	json_decref(request->json);
	request->json = NULL;
	request->count = 0;
}

/* ---------------------------------------------------------------- answers */

json_t *error(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

json_t *error_saying(const char *text)
{
	json_t *whole = describe_text(said[0] ? said : text);

	return json_pack("{s:o}", "error", whole);
}

const char *warnings(void)
{
	return said;
}

void forget_warnings(void)
{
	said[0] = 0;
}

static int listen(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t used = strlen(said);

	if (level == LIBBPF_WARN)
		vsnprintf(said + used, sizeof(said) - used, format, arguments);
	return 0;
}

void keep_warnings(void)
{
	libbpf_set_print(listen);
}
