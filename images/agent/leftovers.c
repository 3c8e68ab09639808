/* SPDX-License-Identifier: Apache-2.0 */
#include "leftovers.h"

#include "census_files.h"
#include "text.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* The name and type of a program, a map or a link; NULL for one that is gone. */
static json_t *described(const char *name, const char *type, __u32 program)
{
	return json_pack("{s:o, s:o, s:I}", "name", string_json(name), "type",
			 type ? json_string(type) : json_null(), "program",
			 (json_int_t)program);
}

static bool has_info(int descriptor, void *info, __u32 size)
{
	bool is_done;

	if (descriptor < 0)
		return false;
	is_done = !bpf_obj_get_info_by_fd(descriptor, info, &size);
	close(descriptor);
	return is_done;
}

static json_t *program(__u32 id)
{
	struct bpf_prog_info info = {0};

	if (!has_info(bpf_prog_get_fd_by_id(id), &info, sizeof(info)))
		return NULL;
	return described(info.name, libbpf_bpf_prog_type_str(info.type), id);
}

static json_t *map(__u32 id)
{
	struct bpf_map_info info = {0};

	if (!has_info(bpf_map_get_fd_by_id(id), &info, sizeof(info)))
		return NULL;
	return described(info.name, libbpf_bpf_map_type_str(info.type), 0);
}

/* A link has no name but that of its program. */
static json_t *link_json(__u32 id)
{
	struct bpf_prog_info linked = {0};
	struct bpf_link_info info = {0};

	if (!has_info(bpf_link_get_fd_by_id(id), &info, sizeof(info)))
		return NULL;
	if (!has_info(bpf_prog_get_fd_by_id(info.prog_id), &linked, sizeof(linked)))
		linked.name[0] = '\0';
	return described(linked.name, libbpf_bpf_link_type_str(info.type),
			 info.prog_id);
}

/* The kernel gives ids in order, so that what is new has a higher one than all that was
 * there. It tells none before 4.13, and none of links before 5.8.
 */
static struct {
	const char *name;
	int (*next)(__u32 start, __u32 *next);
	json_t *(*describe)(__u32 id);
	__u32 last;
} kinds[] = {
	{"program", bpf_prog_get_next_id, program, 0},
	{"map", bpf_map_get_next_id, map, 0},
	{"link", bpf_link_get_next_id, link_json, 0},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(*kinds))

static json_t *pins_before;

static json_t *pins(void)
{
	return tree_json("/sys/fs/bpf", false);
}

void leftovers_begin(void)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		while (!kinds[i].next(kinds[i].last, &kinds[i].last))
			continue;
	json_decref(pins_before);
	pins_before = pins();
}

static bool has_text(const json_t *texts, const char *wanted)
{
	const json_t *text;
	size_t i;

	json_array_foreach (texts, i, text)
		if (!strcmp(json_string_value(text), wanted))
			return true;
	return false;
}

json_t *leftovers_pins_json(void)
{
	json_t *found = json_array(), *all = pins(), *path;
	size_t i;

	json_array_foreach (all, i, path)
		if (!has_text(pins_before, json_string_value(path)))
			json_array_append(found, path);
	json_decref(all);
	return found;
}

json_t *leftovers_objects_json(void)
{
	json_t *found = json_array();

	for (size_t i = 0; i < KIND_COUNT; i++) {
		__u32 id = kinds[i].last;

		while (!kinds[i].next(id, &id)) {
			json_t *each = kinds[i].describe(id);

			if (!each)
				continue;
			json_object_set_new(each, "kind", json_string(kinds[i].name));
			json_object_set_new(each, "id", json_integer(id));
			json_array_append_new(found, each);
		}
	}
	return found;
}
