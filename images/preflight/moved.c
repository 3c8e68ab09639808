// SPDX-License-Identifier: Apache-2.0
#include "moved.h"

#include "bare.h"
#include "describe.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ACCESS 512

/* Structs in structs, and pointers, on the way. */
#define DEEPEST 3

#define MOST 8

/* Types looked into, for all of a search. */
#define PATIENCE 20000

struct search {
	const struct names *names;
	const struct btf *btf;
	const char *name;
	json_t *found;
	/* In the type itself, and not around it. */
	bool inside;
	int patience;
};

static const char *text_at(const struct btf *btf, __u32 offset)
{
	const char *text = btf__str_by_offset(btf, offset);

	return text ? text : "";
}

static void add(struct search *search, const char *access, const struct btf_type *t,
		int index, __u32 base)
{
	char text[MAX_ACCESS];
	json_t *member = describe_member(search->names, t, index);

	snprintf(text, sizeof(text), "%.400s%.100s", access, search->name);
	json_object_set_new(member, "access", describe_text(text));
	json_object_set_new(member, "inside",
			    json_boolean(search->inside && !strstr(access, "->")));
	json_object_set_new(
		member, "bit_offset",
		json_integer((json_int_t)base + btf_member_bit_offset(t, index)));
	json_array_append_new(search->found, member);
}

/* `access` leads to a struct whose members lie behind it: "task_struct.", "mm->". */
static void look_into(struct search *search, __u32 id, const char *access, __u32 base,
		      int depth, bool whole)
{
	const struct btf_type *t = btf__type_by_id(search->btf, id);

	if (!btf_is_composite(t) || search->patience-- <= 0)
		return;
	for (__u32 i = 0; i < (__u32)btf_vlen(t); i++) {
		const struct btf_member *m = btf_members(t) + i;
		const char *name = text_at(search->btf, m->name_off);
		__u32 inner = bare_id(search->btf, m->type), offset;
		const struct btf_type *mt = btf__type_by_id(search->btf, inner);
		char deeper[MAX_ACCESS];

		if (json_array_size(search->found) >= MOST)
			return;
		if (whole && !strcmp(name, search->name))
			add(search, access, t, i, base);
		offset = base + btf_member_bit_offset(t, i);
		if (!name[0]) {
			look_into(search, inner, access, offset, depth, whole);
			continue;
		}
		if (depth == DEEPEST)
			continue;
		if (btf_is_composite(mt)) {
			snprintf(deeper, sizeof(deeper), "%.300s%.100s.", access, name);
			look_into(search, inner, deeper, offset, depth + 1, true);
		} else if (btf_is_ptr(mt) && depth == 0) {
			/* "a.b" becomes "a.b->". */
			snprintf(deeper, sizeof(deeper), "%.300s%.100s->", access,
				 name);
			look_into(search, bare_id(search->btf, mt->type), deeper, 0,
				  DEEPEST, true);
		}
	}
}

/* Marks a type with the typedefs and modifiers that stand for it. */
static bool *marked(const struct names *names, __u32 id)
{
	__u32 count = btf__type_cnt(names->btf);
	bool *marks = calloc(count, sizeof(*marks));

	if (!marks)
		return NULL;
	marks[id] = true;
	for (__u32 other = names->first; other < count; other++)
		if (BARE_FOLLOWED & 1u << kind_at(names, other))
			marks[other] = bare_id(names->btf, other) == id;
	return marks;
}

static bool holds(const struct btf_type *t, const bool *marks)
{
	for (__u32 i = 0; i < (__u32)btf_vlen(t); i++)
		if (marks[btf_members(t)[i].type])
			return true;
	return false;
}

static void look_around(struct search *search, const struct names *names, __u32 id)
{
	bool *marks = marked(names, id);

	for (__u32 outer = names->first; marks && outer < btf__type_cnt(search->btf);
	     outer++) {
		int kind = kind_at(names, outer);
		const struct btf_type *t;
		char access[MAX_ACCESS];
		const char *name;

		if (kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION)
			continue;
		t = btf__type_by_id(search->btf, outer);
		if (!holds(t, marks))
			continue;
		name = text_at(search->btf, t->name_off);
		if (!name[0])
			continue;
		snprintf(access, sizeof(access), "%.200s.", name);
		look_into(search, outer, access, 0, DEEPEST, true);
	}
	free(marks);
}

json_t *moved_members(const struct names *names, __u32 holder, const char *name)
{
	const struct btf *btf = names->btf;
	struct search search = {.names = names,
				.btf = btf,
				.name = name,
				.found = json_array(),
				.patience = PATIENCE,
				.inside = true};
	char access[MAX_ACCESS];
	__u32 id;

	if (!btf__type_by_id(btf, holder))
		return search.found;
	id = bare_id(btf, holder);
	snprintf(access, sizeof(access), "%.200s.",
		 text_at(btf, btf__type_by_id(btf, id)->name_off));
	look_into(&search, id, access, 0, 0, false);
	search.inside = false;
	look_around(&search, names, id);
	return search.found;
}
