/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include "arguments.h"
#include "compat.h"
#include "describe.h"
#include "log.h"
#include "files.h"
#include "held.h"
#include "older.h"
#include "sizes.h"
#include "text.h"

#include <bpf/bpf.h>

#define MOST_LOG_LEVEL 7

/* What the kernel calls an object; null below 4.13, which can't tell. The ids of
 * programs and of maps stand in different places of their infos.
 */
static json_t *program_id_json(int descriptor)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(descriptor, &info, &size) || !info.id)
		return json_null();
	return json_integer(info.id);
}

static json_t *map_id_json(int descriptor)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(descriptor, &info, &size) || !info.id)
		return json_null();
	return json_integer(info.id);
}

static json_t *loaded_programs_json(const struct object *object)
{
	json_t *rows = json_array();
	struct bpf_program *program;

	bpf_object__for_each_program (program, object->bpf) {
		int descriptor = bpf_program__fd(program);
		json_t *row;

		if (descriptor < 0)
			continue;
		row = describe_program(program);
		json_object_set_new(row, "id", program_id_json(descriptor));
		json_object_set_new(
			row, "instructions",
			json_integer((json_int_t)bpf_program__insn_cnt(program)));
		add_sizes(row, descriptor);
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *loaded_maps_json(const struct object *object)
{
	json_t *rows = json_array();
	struct bpf_map *map;

	bpf_object__for_each_map (map, object->bpf) {
		int descriptor = bpf_map__fd(map);
		json_t *row;

		/* Global data before 5.2. From 1.4 on libbpf gives maps that it does
		 * not create a descriptor, too (dac645b950ea).
		 */
		if (descriptor < 0 || !bpf_map__autocreate(map))
			continue;
		row = describe_map(map);
		json_object_set_new(row, "id", map_id_json(descriptor));
		json_array_append_new(rows, row);
	}
	return rows;
}

/* BPF_MAP_TYPE_CGRP_STORAGE and BPF_MAP_TYPE_ARENA, of newer headers. */
enum { CGRP_STORAGE = 32, ARENA = 33 };

/* Maps whose entries the kernel, or libbpf, counts itself. */
static bool needs_entries(enum bpf_map_type type)
{
	switch ((int)type) {
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
	case BPF_MAP_TYPE_CGROUP_STORAGE:
	case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
	case BPF_MAP_TYPE_SK_STORAGE:
	case BPF_MAP_TYPE_INODE_STORAGE:
	case BPF_MAP_TYPE_TASK_STORAGE:
	case BPF_MAP_TYPE_STRUCT_OPS:
	case CGRP_STORAGE:
		return false;
	default:
		return true;
	}
}

/* Maps whose values have no size of their own. */
static bool needs_value_size(enum bpf_map_type type)
{
	switch ((int)type) {
	case BPF_MAP_TYPE_RINGBUF:
	case USER_RINGBUF:
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
	case BPF_MAP_TYPE_STRUCT_OPS:
	case ARENA:
		return false;
	default:
		return true;
	}
}

/* Kernels say EINVAL of such a map, as they do of a type that they do not know. */
static void tell_of_incomplete_maps(const struct bpf_object *bpf)
{
	const struct bpf_map *map;

	bpf_object__for_each_map (map, bpf) {
		enum bpf_map_type type = bpf_map__type(map);

		if (!bpf_map__autocreate(map) || bpf_map__is_internal(map))
			continue;
		if (!bpf_map__max_entries(map) && needs_entries(type))
			log_add("agent: map '%s' has no max_entries",
				bpf_map__name(map));
		if (!bpf_map__value_size(map) && needs_value_size(type))
			log_add("agent: map '%s' has no value_size",
				bpf_map__name(map));
	}
}

json_t *load_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_program *program;
	json_int_t log_level = 0;
	int error;

	if (!object || !require_own(object, failure) ||
	    !integer_argument(request, "log_level", OPTIONAL, 0, MOST_LOG_LEVEL,
			      &log_level, failure))
		return NULL;
	if (log_level) {
		bpf_object__for_each_program (program, object->bpf)
			bpf_program__set_log_level(program, (uint32_t)log_level);
	}
	error = compat_load(object->compat, object->bpf);
	if (error) {
		tell_of_incomplete_maps(object->bpf);
		return fail_errno(failure, -error, "the object does not load");
	}
	return json_pack("{s:o, s:o}", "programs", loaded_programs_json(object), "maps",
			 loaded_maps_json(object));
}

/* What another loader handed to the kernel. */
static json_t *handed_instructions(const struct object *object, const json_t *request,
				   struct failure *failure)
{
	struct held_program program;
	struct buffer code = {0};
	char path[HANDED_PATH_SIZE];
	json_t *found = NULL;

	if (!held_program_argument(object, request, &program, failure))
		return NULL;
	handed_path(path, program.id);
	if (read_whole_file(path, &code, failure))
		found = json_pack("{s:o}", "instructions",
				  base64_json(code.data, code.size));
	buffer_free(&code);
	return found;
}

json_t *instructions_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_program *program;
	size_t count;

	if (object && object->adopted)
		return handed_instructions(object, request, failure);
	program = object ? program_argument(object, request, failure) : NULL;
	if (!program)
		return NULL;
	if (bpf_program__fd(program) < 0)
		return fail(failure, "program %s is not loaded",
			    bpf_program__name(program));
	count = bpf_program__insn_cnt(program);
	return json_pack("{s:o}", "instructions",
			 base64_json(bpf_program__insns(program),
				     count * sizeof(struct bpf_insn)));
}
