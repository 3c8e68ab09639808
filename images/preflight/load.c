// SPDX-License-Identifier: Apache-2.0
#include "load.h"

#include "answer.h"
#include "btf_problem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct payload opened;

/* Stands in for libbpf's fopen() (the linker's --wrap): 1.1 takes BTF on top of another
 * from files only, and this process may open none.
 */
FILE *__wrap_fopen64(const char *path, const char *mode);

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	(void)path;
	(void)mode;
	return fmemopen(opened.data, opened.size, "r");
}

static bool has_magic(const struct payload *payload)
{
	const __u8 *data = payload->data;

	return payload->size >= 2 && ((data[0] == 0x9f && data[1] == 0xeb) ||
				      (data[0] == 0xeb && data[1] == 0x9f));
}

static struct btf *parse(const struct payload *payload, struct btf *base)
{
	opened = (struct payload){payload->data, payload->size + PADDING};
	return base ? btf__parse_raw_split("", base)
		    : btf__new(opened.data, opened.size);
}

static const char *why_not(void)
{
	const char *kind = strstr(answer_warnings(), UNKNOWN_KIND);

	if (errno == ENOMEM)
		return "out of memory";
	/* No kind has the number 0, of which damaged files are full. */
	if (kind && kind[strlen(UNKNOWN_KIND)] != '0')
		return "has kinds of types that this libbpf does not know";
	return "is truncated or malformed";
}

struct btf *load_btf(const struct payload *payload, struct btf *base,
		     const char **problem, bool *parsed)
{
	struct btf *btf;

	*parsed = false;
	if (!has_magic(payload)) {
		*problem = "is not BTF: it begins with another magic number";
		return NULL;
	}
	btf = parse(payload, base);
	if (!btf) {
		*problem = why_not();
		return NULL;
	}
	*parsed = true;
	*problem = btf_problem(btf, base);
	if (!*problem)
		return btf;
	btf__free(btf);
	return NULL;
}
