/* SPDX-License-Identifier: Apache-2.0 */
#include "lookup.h"

#include "buffer.h"
#include "suggest.h"

#include <stdlib.h>

void fail_with_names(struct failure *failure, const char *what, const char *wrong,
		     const char **names, size_t count)
{
	char *near = suggest_names(wrong, names, count);

	fail(failure, "the object has no %s \"%s\": %s", what, wrong, near);
	free(near);
	free(names);
}

static void fail_with_programs(struct failure *failure, const struct bpf_object *bpf,
			       const char *wrong)
{
	const char **names = NULL;
	struct bpf_program *program;
	size_t count = 0;

	bpf_object__for_each_program (program, bpf) {
		names = must_resize(names, count + 1, sizeof(*names));
		names[count++] = bpf_program__name(program);
	}
	fail_with_names(failure, "program", wrong, names, count);
}

static void fail_with_maps(struct failure *failure, const struct bpf_object *bpf,
			   const char *wrong)
{
	const char **names = NULL;
	struct bpf_map *map;
	size_t count = 0;

	bpf_object__for_each_map (map, bpf) {
		names = must_resize(names, count + 1, sizeof(*names));
		names[count++] = bpf_map__name(map);
	}
	fail_with_names(failure, "map", wrong, names, count);
}

struct bpf_program *lookup_program(const struct bpf_object *bpf, const char *name,
				   struct failure *failure)
{
	struct bpf_program *program = bpf_object__find_program_by_name(bpf, name);

	if (!program)
		fail_with_programs(failure, bpf, name);
	return program;
}

struct bpf_map *lookup_map(const struct bpf_object *bpf, const char *name,
			   struct failure *failure)
{
	struct bpf_map *map = bpf_object__find_map_by_name(bpf, name);

	if (!map)
		fail_with_maps(failure, bpf, name);
	return map;
}
