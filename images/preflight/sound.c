// SPDX-License-Identifier: Apache-2.0
#include "sound.h"

#include <stdbool.h>
#include <stdlib.h>

/* Types inside types, by value; the kernel's own verifier stops at 32. */
#define MAX_DEPTH 128

/* Members that a search by name may visit in one type through anonymous ones. A union
 * of two anonymous unions of two anonymous unions … doubles it at each level.
 */
#define MAX_MEMBERS (1u << 20)

enum colour { UNSEEN, OPEN, DONE };

struct walk {
	const struct btf *btf;
	__u32 count;
	__u8 *colours;
	/* Members that a search in this type visits; 0 for other types. */
	__u32 *members;
	const char *problem;
};

static bool is_composite(const struct btf_type *t)
{
	return btf_is_struct(t) || btf_is_union(t);
}

static bool known_id(const struct walk *w, __u32 id)
{
	return id < w->count;
}

static bool known_name(const struct walk *w, __u32 offset)
{
	return btf__str_by_offset(w->btf, offset) != NULL;
}

static const char *check_members(const struct walk *w, const struct btf_type *t)
{
	const struct btf_member *m = btf_members(t);

	for (int i = 0; i < btf_vlen(t); i++, m++) {
		if (!known_id(w, m->type))
			return "a member's type does not exist";
		if (!known_name(w, m->name_off))
			return "a member's name lies outside the strings";
	}
	return NULL;
}

static const char *check_enumerators(const struct walk *w, const struct btf_type *t)
{
	for (int i = 0; i < btf_vlen(t); i++) {
		__u32 name = btf_is_enum(t) ? btf_enum(t)[i].name_off
					    : btf_enum64(t)[i].name_off;

		if (!known_name(w, name))
			return "an enumerator's name lies outside the strings";
	}
	return NULL;
}

static const char *check_parameters(const struct walk *w, const struct btf_type *t)
{
	const struct btf_param *p = btf_params(t);

	for (int i = 0; i < btf_vlen(t); i++, p++) {
		if (!known_id(w, p->type))
			return "a parameter's type does not exist";
		if (!known_name(w, p->name_off))
			return "a parameter's name lies outside the strings";
	}
	return NULL;
}

static const char *check_section(const struct walk *w, const struct btf_type *t)
{
	const struct btf_var_secinfo *v = btf_var_secinfos(t);

	for (int i = 0; i < btf_vlen(t); i++, v++)
		if (!known_id(w, v->type))
			return "a section's variable does not exist";
	return NULL;
}

static const char *check_references(const struct walk *w, const struct btf_type *t)
{
	if (!known_name(w, t->name_off))
		return "a type's name lies outside the strings";
	switch (btf_kind(t)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return check_members(w, t);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return check_enumerators(w, t);
	case BTF_KIND_FUNC_PROTO: {
		const char *problem = check_parameters(w, t);

		return known_id(w, t->type) ? problem
					    : "a function's result does not exist";
	}
	case BTF_KIND_DATASEC:
		return check_section(w, t);
	case BTF_KIND_ARRAY:
		if (!known_id(w, btf_array(t)->type) ||
		    !known_id(w, btf_array(t)->index_type))
			return "an array's type does not exist";
		return NULL;
	case BTF_KIND_PTR:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
	case BTF_KIND_TYPE_TAG:
		return known_id(w, t->type) ? NULL : "a referenced type does not exist";
	default:
		return NULL;
	}
}

static bool is_modifier(const struct btf_type *t)
{
	return btf_is_mod(t) || btf_is_typedef(t);
}

/* Follows typedefs and modifiers, whose chain has been found to end. */
static __u32 bare(const struct btf *btf, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (is_modifier(t)) {
		id = t->type;
		t = btf__type_by_id(btf, id);
	}
	return id;
}

static bool visit(struct walk *w, __u32 id, int depth);

static bool fail(struct walk *w, const char *problem)
{
	w->problem = problem;
	return false;
}

static bool visit_members(struct walk *w, __u32 id, const struct btf_type *t, int depth)
{
	const struct btf_member *m = btf_members(t);
	__u64 members = 0;

	for (int i = 0; i < btf_vlen(t); i++, m++) {
		const char *name = btf__str_by_offset(w->btf, m->name_off);
		const struct btf_type *mt;
		__u32 type;

		if (!visit(w, m->type, depth + 1))
			return false;
		type = bare(w->btf, m->type);
		mt = btf__type_by_id(w->btf, type);
		if (btf_member_bitfield_size(t, i) &&
		    !((btf_is_int(mt) || btf_is_any_enum(mt)) && mt->size))
			return fail(w, "a bitfield is no integer");
		members++;
		if (!name[0] && is_composite(mt))
			members += w->members[type];
		if (members > MAX_MEMBERS)
			return fail(w, "too many anonymous members");
	}
	w->members[id] = members;
	return true;
}

/* Visits what a type holds by value; a type that holds itself has no size. */
static bool visit(struct walk *w, __u32 id, int depth)
{
	const struct btf_type *t = btf__type_by_id(w->btf, id);
	bool ok = true;

	if (w->colours[id] == DONE)
		return true;
	if (w->colours[id] == OPEN)
		return fail(w, "a type contains itself");
	if (depth > MAX_DEPTH)
		return fail(w, "types are nested too deeply");
	w->colours[id] = OPEN;
	if (is_composite(t))
		ok = visit_members(w, id, t, depth);
	else if (btf_is_array(t))
		ok = visit(w, btf_array(t)->type, depth + 1);
	else if (is_modifier(t) || btf_is_var(t) || btf_is_decl_tag(t))
		ok = visit(w, t->type, depth + 1);
	w->colours[id] = DONE;
	return ok;
}

const char *sound(const struct btf *btf, __u32 first)
{
	struct walk w = {.btf = btf, .count = btf__type_cnt(btf)};

	for (__u32 id = first; id < w.count && !w.problem; id++)
		w.problem = check_references(&w, btf__type_by_id(btf, id));
	if (w.problem)
		return w.problem;
	w.colours = calloc(w.count, sizeof(*w.colours));
	w.members = calloc(w.count, sizeof(*w.members));
	if (w.colours && w.members)
		for (__u32 id = 1; id < w.count && visit(&w, id, 0); id++)
			;
	else
		w.problem = "out of memory";
	free(w.colours);
	free(w.members);
	return w.problem;
}
