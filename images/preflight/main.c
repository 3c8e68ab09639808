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
 *   {"op": "names"} -> {"version": [MAJOR, MINOR], "helpers": [NAME …], "programs": …,
 *                       "maps": …, "attach": …}
 *   {"op": "contents", "sizes": [N]}
 *      A whole object in the machine's order. -> {"programs": [{…}], "maps": [{…}]}
 *   {"op": "target", "sizes": [N, M …]}
 *      A kernel's BTF, and BTFs of modules on top of it.
 *      -> {"types", "functions", "pointer", "swapped", "broken": [{"module", "problem",
 *      "parsed"} …]}: modules, from 0 on, whose BTF is left out
 *   {"op": "relocate", "object": NUMBER, "search": "names" | "libbpf"}
 *      -> {"relocations": [{"status", "old", "new", "poison", "patch", "words", …}]}
 *   {"op": "find", "names": [NAME …], "flavors": BOOL} -> {"found": [[[id, kind] …] …]}
 *      Types, but for functions.
 *   {"op": "functions", "names": [NAME …], "own": BOOL} -> {"found": [BOOL …]}
 *      With "own" those of modules do not count.
 *   {"op": "prototypes", "functions": [NAME …], "typedefs": [NAME …],
 *    "members": [[STRUCT, MEMBER] …]}
 *      Of functions, and of what typedefs or members point to.
 *      -> {"prototypes": [{"parameters", "returns"} | null …]}, all behind each other
 *   {"op": "kfuncs", "object": NUMBER, "kfuncs": [[NAME, prototype] …]}
 *      Externs of an object, with their FUNC_PROTO in its BTF, as libbpf resolves them.
 *      -> {"kfuncs": [{"compatible", "tagged", "tags"} | null …]}: whether it has the
 *      tag of kfuncs, and whether any function of that BTF has
 *   {"op": "enumerators", "names": [NAME …]} -> {"enumerators": [VALUE | null …]}
 *      null, too, where several have one name and different values.
 *   {"op": "near", "name": NAME, "functions": BOOL} -> {"near": [NAME …]}
 *   {"op": "moved", "id": HOLDER, "name": MEMBER} -> {"moved": [{…} …]}
 *   {"op": "types", "ids": [ID …]} -> {"types": [{…} …]}
 *
 * A request that can't be served is answered {"error": TEXT}. One that takes too long,
 * or breaks this process, ends it: nothing but this process is lost.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "confine.h"
#include "object.h"
#include "probe.h"
#include "request.h"
#include "serve.h"
#include "target.h"

/* Seconds of processor time for a request; a 5 MB BTF takes hundredths. */
#define TIME 10

/* As runner/preflight/engine.py has them; raised with each change of what is asked. */
#define PROTOCOL "4"
#define OTHER_PROTOCOL 3

/* What the Makefile gives as an argument. */
#define CHECK_LAYOUT "check-layout"

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

	ok = request_read(&request);
	confine_time(TIME);
	ok = ok && write_answer(serve_request(&request));
	request_forget(&request);
	confine_time(0);
	return ok;
}

/* What the build asks for: an engine that misreads its libbpf must not be used. */
static int check_layout(void)
{
	const char *problem = probe_layout();

	if (!problem)
		return 0;
	fprintf(stderr,
		"engine: error: this libbpf's %s differs from what "
		"images/preflight/layout.h says\n",
		problem);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], CHECK_LAYOUT))
		return check_layout();
	if (argc != 2 || strcmp(argv[1], PROTOCOL)) {
		fprintf(stderr, "engine: not started by runner.preflight, "
				"or by one with another protocol\n");
		return OTHER_PROTOCOL;
	}
	/* Megabytes come and go at each request: keep them. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	answer_keep_warnings();
	if (confine_process()) {
		perror("confine");
		return 1;
	}
	while (answer_next())
		;
	object_forget_all();
	target_forget();
	return 0;
}
