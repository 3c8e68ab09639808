// SPDX-License-Identifier: Apache-2.0
#include "near.h"

#include "describe.h"
#include "distance.h"
#include "older.h"

#include <stdbool.h>
#include <string.h>

#define MOST 5

static bool has_a_name(int kind)
{
	return kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION ||
	       kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64 ||
	       kind == BTF_KIND_TYPEDEF;
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

json_t *near_types(const struct names *names, const char *name)
{
	const struct btf *btf = names->btf;
	struct found found[MOST] = {0};
	json_t *list = json_array();

	for (__u32 id = names->first; id < btf__type_cnt(btf); id++) {
		const char *other;
		size_t far;

		if (!has_a_name(kind_at(names, id)))
			continue;
		other = btf__str_by_offset(btf, btf__type_by_id(btf, id)->name_off);
		if (other[0] && distance_is_near(name, other, &far))
			keep(found, other, far);
	}
	for (size_t i = 0; i < MOST && found[i].name; i++)
		json_array_append_new(list, describe_text(found[i].name));
	return list;
}
