/* SPDX-License-Identifier: Apache-2.0 */
#include "adopted.h"

#include "arguments.h"
#include "buffer.h"
#include "lookup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void handed_path(char path[HANDED_PATH_SIZE], uint32_t id)
{
	snprintf(path, HANDED_PATH_SIZE, HANDED_FOLDER "/%u", id);
}

bool adopted_program(const struct adopted *adopted, const char *name,
		     struct held_program *found, struct failure *failure)
{
	const char **names =
		must_resize(NULL, adopted->program_count + 1, sizeof(*names));

	for (size_t i = 0; i < adopted->program_count; i++) {
		names[i] = adopted->programs[i].name;
		if (strcmp(names[i], name))
			continue;
		*found = adopted->programs[i];
		free(names);
		return true;
	}
	fail_with_names(failure, "program", name, names, adopted->program_count);
	return false;
}

bool adopted_map(const struct adopted *adopted, const char *name,
		 struct held_map *found, struct failure *failure)
{
	const char **names = must_resize(NULL, adopted->map_count + 1, sizeof(*names));

	for (size_t i = 0; i < adopted->map_count; i++) {
		names[i] = adopted->maps[i].name;
		if (strcmp(names[i], name))
			continue;
		*found = adopted->maps[i];
		free(names);
		return true;
	}
	fail_with_names(failure, "map", name, names, adopted->map_count);
	return false;
}

void adopted_close(struct adopted *adopted)
{
	if (!adopted)
		return;
	for (size_t i = 0; i < adopted->program_count; i++) {
		close(adopted->programs[i].descriptor);
		free((char *)adopted->programs[i].name);
	}
	for (size_t i = 0; i < adopted->map_count; i++) {
		close(adopted->maps[i].descriptor);
		free((char *)adopted->maps[i].name);
	}
	free(adopted->programs);
	free(adopted->maps);
	free(adopted);
}

static bool adopt_program(struct adopted *adopted, const char *name, uint32_t id,
			  struct failure *failure)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	int descriptor = bpf_prog_get_fd_by_id(id);

	if (descriptor < 0 || bpf_obj_get_info_by_fd(descriptor, &info, &size)) {
		fail_errno(failure, errno, "program %s with id %u can't be opened",
			   name, id);
		if (descriptor >= 0)
			close(descriptor);
		return false;
	}
	adopted->programs[adopted->program_count++] =
		(struct held_program){.name = strdup(name),
				      .descriptor = descriptor,
				      .id = id,
				      .type = (enum bpf_prog_type)info.type};
	return true;
}

static bool adopt_map(struct adopted *adopted, const char *name, uint32_t id,
		      struct failure *failure)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	int descriptor = bpf_map_get_fd_by_id(id);

	if (descriptor < 0 || bpf_obj_get_info_by_fd(descriptor, &info, &size)) {
		fail_errno(failure, errno, "map %s with id %u can't be opened", name,
			   id);
		if (descriptor >= 0)
			close(descriptor);
		return false;
	}
	adopted->maps[adopted->map_count++] =
		(struct held_map){.name = strdup(name),
				  .descriptor = descriptor,
				  .id = id,
				  .type = (enum bpf_map_type)info.type,
				  .key_size = info.key_size,
				  .value_size = info.value_size,
				  .max_entries = info.max_entries,
				  .key_type = info.btf_key_type_id,
				  .value_type = info.btf_value_type_id};
	return true;
}

/* Calls `adopt` for each {"name", "id"} of a list. */
static bool adopt_each(struct adopted *adopted, const json_t *list,
		       bool (*adopt)(struct adopted *adopted, const char *name,
				     uint32_t id, struct failure *failure),
		       struct failure *failure)
{
	json_t *each;
	size_t i;

	json_array_foreach (list, i, each) {
		const char *name;
		json_int_t id = 0;

		if (!text_argument(each, "name", REQUIRED, &name, failure) ||
		    !integer_argument(each, "id", REQUIRED, 1, INT_MAX, &id, failure) ||
		    !adopt(adopted, name, (uint32_t)id, failure))
			return false;
	}
	return true;
}

struct adopted *adopted_open(const json_t *programs, const json_t *maps,
			     struct failure *failure)
{
	struct adopted *adopted = must_resize(NULL, 1, sizeof(*adopted));

	*adopted = (struct adopted){
		.programs = must_resize(NULL, json_array_size(programs) + 1,
					sizeof(*adopted->programs)),
		.maps = must_resize(NULL, json_array_size(maps) + 1,
				    sizeof(*adopted->maps))};
	if (adopt_each(adopted, programs, adopt_program, failure) &&
	    adopt_each(adopted, maps, adopt_map, failure))
		return adopted;
	adopted_close(adopted);
	return NULL;
}
