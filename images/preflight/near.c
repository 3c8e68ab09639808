// SPDX-License-Identifier: Apache-2.0
#include "near.h"

#include "describe.h"

#include <stdbool.h>
#include <string.h>

#define LONGEST 64
#define MOST 5

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Insertions, deletions and changes that lead from one name to the other. */
static size_t distance(const char *from, size_t height, const char *to, size_t width)
{
	size_t row[LONGEST + 1];

	for (size_t i = 0; i <= width; i++)
		row[i] = i;
	for (size_t y = 1; y <= height; y++) {
		size_t diagonal = row[0];

		row[0] = y;
		for (size_t x = 1; x <= width; x++) {
			size_t above = row[x];

			row[x] = smallest(above + 1, row[x - 1] + 1,
					  diagonal + (from[y - 1] != to[x - 1]));
			diagonal = above;
		}
	}
	return row[width];
}

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
	size_t length = strnlen(name, LONGEST), bound = 1 + length / 4;
	struct found found[MOST] = {0};
	json_t *list = json_array();

	for (__u32 id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *other;
		size_t others, far;

		if (!has_a_name(t))
			continue;
		other = btf__str_by_offset(btf, t->name_off);
		others = strnlen(other, LONGEST);
		if (!others || others + bound < length || length + bound < others)
			continue;
		far = distance(name, length, other, others);
		if (far <= bound)
			keep(found, other, far);
	}
	for (size_t i = 0; i < MOST && found[i].name; i++)
		json_array_append_new(list, describe_text(found[i].name));
	return list;
}
