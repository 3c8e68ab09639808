/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include "arguments.h"
#include "inner_maps.h"
#include "log.h"
#include "lookup.h"
#include "object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --------------------------------------------------------------- programs */

/* Of "?fentry.s/vfs_read" the length of "fentry", and where that begins. */
static size_t kind_of(const char **place)
{
	*place += **place == '?';
	return strcspn(*place, "./");
}

/* Where a program attaches that the kernel's BTF is asked for when it loads. */
static bool set_target(struct bpf_program *program, const char *target,
		       struct failure *failure)
{
	const char *name = bpf_program__name(program), *function = strchr(target, '/');
	const char *section = bpf_program__section_name(program), *wanted = target;
	size_t kind = kind_of(&section), wanted_kind = kind_of(&wanted);
	int error;

	if (!function || kind != wanted_kind || strncmp(section, wanted, kind)) {
		fail(failure, "program %s has the section %s and can't be set to %s",
		     name, section, target);
		return false;
	}
	error = bpf_program__set_attach_target(program, 0, function + 1);
	if (!error)
		return true;
	/* libbpf has no words for it here, and these where a section names it. */
	log_add("agent: prog '%s': failed to find kernel BTF type ID of '%s': %d", name,
		function + 1, error);
	fail_errno(failure, -error, "program %s can't be set to %s", name, target);
	return false;
}

/* Which program of another object it extends or traces: the function in it is that of
 * the section.
 */
static bool set_extended(struct bpf_program *program, const json_t *extended,
			 struct failure *failure)
{
	const char *section = bpf_program__section_name(program);
	const char *function = strchr(section, '/'), *name = NULL;
	int descriptor, error;

	if (!function)
		return fail(failure, "program %s: its section %s names no function",
			    bpf_program__name(program), section);
	descriptor = loaded_program_argument(extended, &name, failure);
	if (descriptor < 0)
		return false;
	error = bpf_program__set_attach_target(program, descriptor, function + 1);
	if (error)
		fail_errno(failure, -error,
			   "program %s can't have %s of %s as its target",
			   bpf_program__name(program), function + 1, name);
	return !error;
}

/* Leaves `*value` as it is when there is none. */
static bool choice_argument(const json_t *request, const char *name, bool *value,
			    struct failure *failure)
{
	const json_t *given = json_object_get(request, name);

	if (given && !json_is_boolean(given))
		return wrong_argument(failure, name, "true or false", given);
	if (given)
		*value = json_is_true(given);
	return true;
}

/* What a loader sets where its libbpf does not know a section, and flags of the load.
 */
static bool set_kind(struct bpf_program *program, const json_t *settings,
		     struct failure *failure)
{
	json_int_t type = 0, attach_type = 0, flags = 0;
	int error = 0;

	if (!integer_argument(settings, "type", OPTIONAL, 0, INT32_MAX, &type,
			      failure) ||
	    !integer_argument(settings, "attach_type", OPTIONAL, 0, INT32_MAX,
			      &attach_type, failure) ||
	    !integer_argument(settings, "flags", OPTIONAL, 0, UINT32_MAX, &flags,
			      failure))
		return false;
	if (type)
		error = bpf_program__set_type(program, (enum bpf_prog_type)type);
	if (!error && attach_type)
		error = bpf_program__set_expected_attach_type(
			program, (enum bpf_attach_type)attach_type);
	if (!error && flags)
		error = bpf_program__set_flags(program, bpf_program__flags(program) |
								(__u32)flags);
	if (error)
		fail_errno(failure, -error, "program %s can't be set",
			   bpf_program__name(program));
	return !error;
}

static bool set_program(struct bpf_program *program, const json_t *settings,
			struct failure *failure)
{
	bool load = bpf_program__autoload(program);
	const json_t *extended = NULL;
	const char *target = NULL;

	if (!object_argument(settings, "extends", OPTIONAL, &extended, failure) ||
	    !choice_argument(settings, "load", &load, failure) ||
	    !text_argument(settings, "target", OPTIONAL, &target, failure))
		return false;
	bpf_program__set_autoload(program, load);
	if (!set_kind(program, settings, failure))
		return false;
	if (load && extended && !set_extended(program, extended, failure))
		return false;
	return !load || !target || set_target(program, target, failure);
}

/* ------------------------------------------------------------------- maps */

static bool set_map(const struct bpf_object *bpf, struct bpf_map *map,
		    const json_t *settings, struct failure *failure)
{
	const char *inner = NULL;
	json_int_t entries = bpf_map__max_entries(map);
	json_int_t size = bpf_map__value_size(map);
	bool create = bpf_map__autocreate(map);
	int error = 0;

	if (!choice_argument(settings, "create", &create, failure) ||
	    !integer_argument(settings, "max_entries", OPTIONAL, 1, UINT32_MAX,
			      &entries, failure) ||
	    !integer_argument(settings, "value_size", OPTIONAL, 1, UINT32_MAX, &size,
			      failure) ||
	    !text_argument(settings, "inner_map", OPTIONAL, &inner, failure))
		return false;
	if (entries != bpf_map__max_entries(map))
		error = bpf_map__set_max_entries(map, (uint32_t)entries);
	if (!error && size != bpf_map__value_size(map))
		error = bpf_map__set_value_size(map, (uint32_t)size);
	if (!error && create != bpf_map__autocreate(map))
		error = bpf_map__set_autocreate(map, create);
	if (error) {
		fail_errno(failure, -error, "map %s can't be set", bpf_map__name(map));
		return false;
	}
	return !inner || inner_maps_set(bpf, map, inner, failure);
}

/* -------------------------------------------------------------- variables */

/* The map that holds a section of variables. */
static struct bpf_map *map_of(const struct bpf_object *bpf, uint32_t section)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, bpf)
		if (bpf_map__is_internal(map) &&
		    bpf_map__btf_value_type_id(map) == section)
			return map;
	return NULL;
}

/* The variable's place in a section, or NULL. */
static const struct btf_var_secinfo *
find_variable(const struct btf *btf, const struct btf_type *section, const char *name)
{
	const struct btf_var_secinfo *found = btf_var_secinfos(section);

	for (__u32 i = 0; i < (__u32)btf_vlen(section); i++, found++) {
		const struct btf_type *variable = btf__type_by_id(btf, found->type);
		const char *own = btf__name_by_offset(btf, variable->name_off);

		if (own && !strcmp(own, name))
			return found;
	}
	return NULL;
}

static bool write_variable(struct bpf_map *map, const struct btf_var_secinfo *place,
			   const char *name, const struct buffer *value,
			   struct failure *failure)
{
	size_t size = 0;
	const void *before = bpf_map__initial_value(map, &size);
	unsigned char *bytes;
	int error;

	if (!before || place->offset > size || size - place->offset < place->size) {
		fail(failure, "variable %s can't be set", name);
		return false;
	}
	if (value->size != place->size) {
		fail(failure, "variable %s has %u bytes, not %zu", name, place->size,
		     value->size);
		return false;
	}
	bytes = must_resize(NULL, size, 1);
	memcpy(bytes, before, size);
	memcpy(bytes + place->offset, value->data, value->size);
	error = bpf_map__set_initial_value(map, bytes, size);
	free(bytes);
	if (error)
		fail_errno(failure, -error, "variable %s can't be set", name);
	return !error;
}

static bool set_variable(const struct bpf_object *bpf, const char *name,
			 const struct buffer *value, struct failure *failure)
{
	const struct btf *btf = bpf_object__btf(bpf);

	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *section = btf__type_by_id(btf, id);
		const struct btf_var_secinfo *place;
		struct bpf_map *map;

		if (!btf_is_datasec(section))
			continue;
		place = find_variable(btf, section, name);
		map = place ? map_of(bpf, id) : NULL;
		if (map)
			return write_variable(map, place, name, value, failure);
	}
	fail(failure, "the object has no variable \"%s\"", name);
	return false;
}

/* -------------------------------------------------------------------- all */

bool settings_argument(const json_t *request, struct settings *settings,
		       struct failure *failure)
{
	return object_argument(request, "programs", OPTIONAL, &settings->programs,
			       failure) &&
	       object_argument(request, "maps", OPTIONAL, &settings->maps, failure) &&
	       object_argument(request, "variables", OPTIONAL, &settings->variables,
			       failure);
}

static bool set_programs(const struct bpf_object *bpf, const json_t *programs,
			 struct failure *failure)
{
	const char *name;
	json_t *each;

	json_object_foreach ((json_t *)programs, name, each) {
		struct bpf_program *program = lookup_program(bpf, name, failure);

		if (!program)
			return false;
		if (!json_is_object(each))
			return wrong_argument(failure, "programs",
					      "objects of settings by name", each);
		if (!set_program(program, each, failure))
			return false;
	}
	return true;
}

static bool set_maps(const struct bpf_object *bpf, const json_t *maps,
		     struct failure *failure)
{
	const char *name;
	json_t *each;

	json_object_foreach ((json_t *)maps, name, each) {
		struct bpf_map *map = lookup_map(bpf, name, failure);

		if (!map)
			return false;
		if (!json_is_object(each))
			return wrong_argument(failure, "maps",
					      "objects of settings by name", each);
		if (!set_map(bpf, map, each, failure))
			return false;
	}
	return true;
}

static bool set_variables(const struct bpf_object *bpf, const json_t *variables,
			  struct failure *failure)
{
	const char *name;
	json_t *each;

	json_object_foreach ((json_t *)variables, name, each) {
		struct buffer value = {0};
		bool set = bytes_argument(variables, name, REQUIRED, &value, failure) &&
			   set_variable(bpf, name, &value, failure);

		buffer_free(&value);
		if (!set)
			return false;
	}
	return true;
}

bool settings_apply(const struct settings *settings, struct bpf_object *bpf,
		    struct failure *failure)
{
	return set_programs(bpf, settings->programs, failure) &&
	       set_maps(bpf, settings->maps, failure) &&
	       set_variables(bpf, settings->variables, failure);
}
