/* SPDX-License-Identifier: Apache-2.0 */
#include "held.h"

#include "arguments.h"
#include "lookup.h"
#include "older.h"
#include "sizes.h"
#include "text.h"

#include <bpf/bpf.h>
#include <sys/stat.h>

bool held_program_argument(const struct object *object, const json_t *request,
			   struct held_program *found, struct failure *failure)
{
	const struct bpf_program *program;
	const char *name;

	if (!text_argument(request, "program", REQUIRED, &name, failure))
		return false;
	if (object->adopted)
		return adopted_program(object->adopted, name, found, failure);
	program = lookup_program(object->bpf, name, failure);
	if (!program)
		return false;
	*found = (struct held_program){.name = bpf_program__name(program),
				       .descriptor = bpf_program__fd(program),
				       .type = bpf_program__type(program)};
	return true;
}

bool held_map_argument(const struct object *object, const json_t *request,
		       struct held_map *found, struct failure *failure)
{
	const struct bpf_map *map;
	const char *name;

	if (!text_argument(request, "map", REQUIRED, &name, failure))
		return false;
	if (object->adopted)
		return adopted_map(object->adopted, name, found, failure);
	map = lookup_map(object->bpf, name, failure);
	if (!map)
		return false;
	*found = (struct held_map){.name = bpf_map__name(map),
				   .descriptor = bpf_map__fd(map),
				   .type = bpf_map__type(map),
				   .key_size = bpf_map__key_size(map),
				   .value_size = bpf_map__value_size(map),
				   .max_entries = bpf_map__max_entries(map),
				   .key_type = bpf_map__btf_key_type_id(map),
				   .value_type = bpf_map__btf_value_type_id(map)};
	return true;
}

/* How many a loader handed to the kernel; 0 where that was not recorded. */
static json_int_t handed_count(uint32_t id)
{
	char path[HANDED_PATH_SIZE];
	struct stat found;

	handed_path(path, id);
	if (stat(path, &found))
		return 0;
	return (json_int_t)((size_t)found.st_size / sizeof(struct bpf_insn));
}

static json_t *name_json(const char *name)
{
	return name ? string_json(name) : json_null();
}

static json_t *adopted_json(const struct object *object)
{
	json_t *programs = json_array(), *maps = json_array();
	const struct adopted *adopted = object->adopted;

	for (size_t i = 0; i < adopted->program_count; i++) {
		const struct held_program *program = &adopted->programs[i];
		json_t *row = json_pack(
			"{s:o, s:o, s:I, s:I}", "name", string_json(program->name),
			"type", name_json(libbpf_bpf_prog_type_str(program->type)),
			"id", (json_int_t)program->id, "instructions",
			handed_count(program->id));

		add_sizes(row, program->descriptor);
		json_array_append_new(programs, row);
	}
	for (size_t i = 0; i < adopted->map_count; i++) {
		const struct held_map *map = &adopted->maps[i];

		json_array_append_new(
			maps, json_pack("{s:o, s:o, s:I, s:I, s:I, s:I}", "name",
					string_json(map->name), "type",
					name_json(libbpf_bpf_map_type_str(map->type)),
					"id", (json_int_t)map->id, "key_size",
					(json_int_t)map->key_size, "value_size",
					(json_int_t)map->value_size, "max_entries",
					(json_int_t)map->max_entries));
	}
	return json_pack("{s:i, s:o, s:o}", "handle", object->handle, "programs",
			 programs, "maps", maps);
}

json_t *adopt_operation(const json_t *request, struct failure *failure)
{
	const json_t *programs, *maps;
	struct adopted *adopted;

	if (!array_argument(request, "programs", &programs, failure) ||
	    !array_argument(request, "maps", &maps, failure))
		return NULL;
	adopted = adopted_open(programs, maps, failure);
	return adopted ? adopted_json(object_hold_adopted(adopted)) : NULL;
}
