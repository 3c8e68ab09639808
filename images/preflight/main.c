// SPDX-License-Identifier: Apache-2.0
/* Relocates objects against BTFs by libbpf's own engine, and describes types.
 *
 * A request is a line of JSON on standard input, a socket; the files that it is about
 * come with it as descriptors, and "sizes" tells how much of each counts. An answer is
 * a line of JSON on standard output:
 *
 *   {"op": "object", "sizes": [N], "relocations": [[type, access, kind, insn, w0, w1]]}
 *      The .BTF of an object, its CO-RE records and the instructions that they are for,
 *      as two little-endian words. It is kept.
 *      -> {"object": NUMBER, "relocations": [{"spec", "root", "steps", "field"} |
 *      {"error"}]}
 *   {"op": "names"} -> {"helpers": [NAME …], "programs": …, "maps": …, "attach": …}
 *   {"op": "contents", "sizes": [N]}
 *      A whole object. -> {"programs": [{…}], "maps": [{…}]}
 *   {"op": "target", "sizes": [N, M …]}
 *      A kernel's BTF, and BTFs of modules on top of it.
 *      -> {"types", "functions", "pointer", "swapped"}
 *   {"op": "relocate", "object": NUMBER, "search": "names" | "libbpf"}
 *      -> {"relocations": [{"status", "old", "new", "poison", "patch", "words", …}]}
 *   {"op": "find", "names": [NAME …], "flavors": BOOL} -> {"found": [[[id, kind] …] …]}
 *      Types, but for functions.
 *   {"op": "functions", "names": [NAME …]} -> {"found": [BOOL …]}
 *   {"op": "near", "name": NAME} -> {"near": [NAME …]}
 *   {"op": "moved", "id": HOLDER, "name": MEMBER} -> {"moved": [{…} …]}
 *   {"op": "types", "ids": [ID …]} -> {"types": [{…} …]}
 *
 * A request that can't be served is answered {"error": TEXT}. One that takes too long,
 * or breaks this process, ends it: nothing but this process is lost.
 */
#include <elf.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "confine.h"
#include "contents.h"
#include "lookup.h"
#include "object.h"
#include "relocate.h"
#include "request.h"
#include "target.h"

/* Seconds of processor time for a request; a 5 MB BTF takes hundredths. */
#define TIME 10

#define NATIVE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

/* As runner/preflight/engine.py has them; raised with each change of what is asked. */
#define PROTOCOL "1"
#define OTHER_PROTOCOL 3

static json_t *names(const struct request *request)
{
	(void)request;
	return known_names();
}

static json_t *look_into(const struct request *request)
{
	const struct payload *payload = &request->payloads[0];
	json_t *found;
	void *copy;

	if (request->count != 1)
		return error("bad request");
	/* libelf converts in place; the file is not to be written to. */
	copy = malloc(payload->size + 1);
	if (!copy)
		return error("out of memory");
	memcpy(copy, payload->data, payload->size);
	found = contents(copy, payload->size);
	free(copy);
	if (!found)
		return error_saying("it is no object");
	if (((const unsigned char *)payload->data)[EI_DATA] == NATIVE)
		return found;
	/* Up to 1.4 it did not open it either. */
	json_decref(found);
	return error("it opens it and would not load it: endianness mismatch");
}

static const struct {
	const char *op;
	json_t *(*serve)(const struct request *request);
} services[] = {
	{"object", take_object}, {"names", names}, {"contents", look_into},
	{"target", take_target}, {"find", find},   {"near", near},
	{"relocate", relocate},	 {"moved", moved}, {"functions", functions},
	{"types", types},
};

static json_t *serve(const struct request *request)
{
	const char *op = json_string_value(json_object_get(request->json, "op"));

	forget_warnings();
	for (size_t i = 0; op && i < sizeof(services) / sizeof(*services); i++)
		if (!strcmp(op, services[i].op))
			return services[i].serve(request);
	return error("bad request");
}

static bool write_answer(json_t *answer)
{
	bool ok = answer && !json_dumpf(answer, stdout, JSON_COMPACT) &&
		  putchar('\n') != EOF && !fflush(stdout);

	json_decref(answer);
	return ok;
}

static bool answer_next(void)
{
	static struct request request;
	bool ok;

	ok = read_request(&request);
	allow(TIME);
	ok = ok && write_answer(serve(&request));
	forget_request(&request);
	allow(0);
	return ok;
}

int main(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], PROTOCOL)) {
		fprintf(stderr, "engine: started by other than runner.preflight, "
				"or by a version that speaks otherwise\n");
		return OTHER_PROTOCOL;
	}
	/* Megabytes come and go at each request: keep them. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	keep_warnings();
	if (confine()) {
		perror("confine");
		return 1;
	}
	while (answer_next())
		;
	forget_objects();
	forget_target();
	return 0;
}
