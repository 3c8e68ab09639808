// SPDX-License-Identifier: Apache-2.0
#include "near.h"

#include "describe.h"
#include "distance.h"
#include "older.h"

#include <stdbool.h>
#include <string.h>

#define MOST_TYPES 5
#define MOST_FUNCTIONS 20
#define SHORTEST_WORD 5

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
static void keep(struct found *found, size_t most, const char *name, size_t far)
{
	size_t at = most;

	for (size_t i = 0; i < most; i++)
		if (found[i].name && !strcmp(found[i].name, name))
			return;
	while (at > 0 && (!found[at - 1].name || found[at - 1].distance > far))
		at--;
	if (at == most)
		return;
	memmove(&found[at + 1], &found[at], (most - 1 - at) * sizeof(*found));
	found[at] = (struct found){.name = name, .distance = far};
}

/* Returns the longest of a name's words, which underscores part. */
static const char *longest_word(const char *name, size_t *length)
{
	const char *longest = name;

	*length = 0;
	for (const char *at = name; *at;) {
		size_t here = strcspn(at, "_");

		if (here > *length) {
			longest = at;
			*length = here;
		}
		at += here + strspn(at + here, "_");
	}
	return longest;
}

/* Whether a name has a word of that length; short ones say little. */
static bool has_word(const char *name, const char *word, size_t length)
{
	if (length < SHORTEST_WORD)
		return false;
	for (const char *at = name; *at;) {
		size_t here = strcspn(at, "_");

		if (here == length && !memcmp(at, word, length))
			return true;
		at += here + strspn(at + here, "_");
	}
	return false;
}

json_t *near_names(const struct names *names, const char *name, bool functions)
{
	const struct btf *btf = names->btf;
	size_t most = functions ? MOST_FUNCTIONS : MOST_TYPES;
	struct found found[MOST_FUNCTIONS] = {0};
	json_t *list = json_array();
	size_t length;
	const char *word = longest_word(name, &length);

	for (__u32 id = names->first; id < btf__type_cnt(btf); id++) {
		int kind = kind_at(names, id);
		const char *other;
		size_t far;

		if (functions ? kind != BTF_KIND_FUNC : !has_a_name(kind))
			continue;
		other = btf__str_by_offset(btf, btf__type_by_id(btf, id)->name_off);
		if (other[0] && distance_is_near(name, other, &far))
			keep(found, most, other, far);
		else if (functions && has_word(other, word, length))
			keep(found, most, other, strlen(name) + strlen(other));
	}
	for (size_t i = 0; i < most && found[i].name; i++)
		json_array_append_new(list, describe_text(found[i].name));
	return list;
}
