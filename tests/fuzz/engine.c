// SPDX-License-Identifier: Apache-2.0
/* Requests to preflight's engine, as libFuzzer makes them: each is a line of JSON and,
 * behind it, its payloads, whose sizes the JSON tells. See tests/fuzz/native.py.
 */
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "object.h"
#include "serve.h"
#include "target.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

/* Cuts the payloads off the rest of an input. */
static void take_payloads(struct request *request, const __u8 **data, size_t *size)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(request->json, "sizes"), i, each) {
		json_int_t told = json_integer_value(each);
		struct payload *payload = &request->payloads[i];

		if (i == MAX_PAYLOADS)
			return;
		payload->size = told < 0 || (size_t)told > *size ? *size : (size_t)told;
		/* Of its own, so that a read behind its padding is noticed. */
		payload->data = calloc(1, payload->size + PADDING);
		if (!payload->data)
			abort();
		memcpy(payload->data, *data, payload->size);
		*data += payload->size;
		*size -= payload->size;
		request->count++;
	}
}

static void forget(struct request *request)
{
	for (size_t i = 0; i < request->count; i++)
		free(request->payloads[i].data);
	json_decref(request->json);
	memset(request, 0, sizeof(*request));
}

/* libbpf itself breaks on damaged objects, which is why the engine is a process of its
 * own; all else is ours.
 */
static bool is_libbpfs(const struct request *request)
{
	const char *op = json_string_value(json_object_get(request->json, "op"));

	return op && !strcmp(op, "contents");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	answer_keep_warnings();
	return 0;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	static struct request request;
	const __u8 *end;

	while ((end = memchr(data, '\n', size))) {
		size_t length = end - data + 1;

		request.json = json_loadb((const char *)data, length, 0, NULL);
		data += length;
		size -= length;
		take_payloads(&request, &data, &size);
		if (!is_libbpfs(&request))
			json_decref(serve_request(&request));
		forget(&request);
	}
	object_forget_all();
	target_forget();
	return 0;
}
