// SPDX-License-Identifier: Apache-2.0
#include "near.h"

#include "describe.h"
#include "distance.h"

#include <stdbool.h>
#include <string.h>

#define MOST 5

static bool has_a_name(const struct btf_type *t)
{
	return btf_is_composite(t) || btf_is_any_enum(t) || btf_is_typedef(t);
}

struct found {
	const char *name;
	size_t distance;
};

/* Keeps the nearest ones, in order. */
static void keep(struct found *found, const char *name, size_t far)
{
	size_t at = MOST;

	for (size_t i = 0; i < MOST; i++)
		if (found[i].name && !strcmp(found[i].name, name))
			return;
	while (at > 0 && (!found[at - 1].name || found[at - 1].distance > far))
		at--;
	if (at == MOST)
		return;
	memmove(&found[at + 1], &found[at], (MOST - 1 - at) * sizeof(*found));
	found[at] = (struct found){.name = name, .distance = far};
}

json_t *near_types(const struct btf *btf, const char *name)
{
	size_t length = strnlen(name, LONGEST_NAME), bound = near_enough(name);
	struct found found[MOST] = {0};
	json_t *list = json_array();

	for (__u32 id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *other;
		size_t others, far;

		if (!has_a_name(t))
			continue;
		other = btf__str_by_offset(btf, t->name_off);
		others = strnlen(other, LONGEST_NAME);
		if (!others || others + bound < length || length + bound < others)
			continue;
		far = distance(name, other);
		if (far <= bound)
			keep(found, other, far);
	}
	for (size_t i = 0; i < MOST && found[i].name; i++)
		json_array_append_new(list, describe_text(found[i].name));
	return list;
}
