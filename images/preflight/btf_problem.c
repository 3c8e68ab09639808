// SPDX-License-Identifier: Apache-2.0
#include "btf_problem.h"

#include "bare.h"
#include "older.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Types inside types, by value; the kernel's own verifier stops at 32. */
#define MAX_DEPTH 128

/* Members that a search by name may visit in one type through anonymous ones. A union
 * of two anonymous unions of two anonymous unions … doubles it at each level.
 */
#define MAX_MEMBERS (1u << 20)

enum colour { UNSEEN, OPEN, DONE };

/* A type, as far as walks through others ask for it: all kinds of a kernel's types fit
 * into the processor's cache, the types themselves do not.
 */
struct seen {
	__u8 kind;
	__u8 colour;
};

struct walk {
	const struct btf *btf;
	/* Ids from here on do not exist, nor do names at these offsets. */
	__u32 ids;
	__u32 names;
	struct seen *seen;
	/* Members that a search in this type visits; 0 for other types. */
	__u32 *members;
	const char *problem;
};

static bool known_id(const struct walk *w, __u32 id)
{
	return id < w->ids;
}

static bool known_name(const struct walk *w, __u32 offset)
{
	return offset < w->names;
}

/* Where the strings end: libbpf only tells whether an offset is before it. */
static __u32 names_end(const struct btf *btf)
{
	__u32 low = 0, high = UINT32_MAX;

	while (low < high) {
		__u32 middle = low + (high - low) / 2;

		if (btf__str_by_offset(btf, middle))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const char *check_members(const struct walk *w, const struct btf_type *t)
{
	const struct btf_member *m = btf_members(t);

	for (__u32 i = 0; i < (__u32)btf_vlen(t); i++, m++) {
		if (!known_id(w, m->type))
			return "a member's type does not exist";
		if (!known_name(w, m->name_off))
			return "a member's name lies outside the strings";
	}
	return NULL;
}

static const char *check_enumerators(const struct walk *w, const struct btf_type *t)
{
	for (__u32 i = 0; i < (__u32)btf_vlen(t); i++) {
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

	for (__u32 i = 0; i < (__u32)btf_vlen(t); i++, p++) {
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

	for (__u32 i = 0; i < (__u32)btf_vlen(t); i++, v++)
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

#define KIND(kind) (1u << (kind))
#define COMPOSITES (KIND(BTF_KIND_STRUCT) | KIND(BTF_KIND_UNION))
/* Types of these kinds hold others by value. */
#define HOLDERS                                                                        \
	(COMPOSITES | BARE_FOLLOWED | KIND(BTF_KIND_ARRAY) | KIND(BTF_KIND_VAR) |      \
	 KIND(BTF_KIND_DECL_TAG))

static bool is_one_of(__u32 kinds, const struct walk *w, __u32 id)
{
	return KIND(w->seen[id].kind) & kinds;
}

static bool can_be_bitfield(const struct walk *w, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(w->btf, id);

	return (btf_is_int(t) || btf_is_any_enum(t)) && t->size;
}

static bool enter(struct walk *w, __u32 id, int depth);

/* Visits what a type holds by value; a type that holds itself has no size. */
static bool visit(struct walk *w, __u32 id, int depth)
{
	return !is_one_of(HOLDERS, w, id) || w->seen[id].colour == DONE ||
	       enter(w, id, depth);
}

static bool fail(struct walk *w, const char *problem)
{
	w->problem = problem;
	return false;
}

static bool visit_members(struct walk *w, __u32 id, const struct btf_type *t, int depth)
{
	const struct btf_member *m = btf_members(t);
	bool bitfields = btf_kflag(t);
	__u64 members = btf_vlen(t);

	for (__u32 i = 0; i < (__u32)btf_vlen(t); i++, m++) {
		if (!visit(w, m->type, depth + 1))
			return false;
		if (bitfields && btf_member_bitfield_size(t, i) &&
		    !can_be_bitfield(w, bare_id(w->btf, m->type)))
			return fail(w, "a bitfield is not an integer");
		/* Most names need not be looked at, and come from far away. */
		if (is_one_of(COMPOSITES | BARE_FOLLOWED, w, m->type) &&
		    !btf__str_by_offset(w->btf, m->name_off)[0])
			members += w->members[bare_id(w->btf, m->type)];
		if (members > MAX_MEMBERS)
			return fail(w, "too many anonymous members");
	}
	w->members[id] = members;
	return true;
}

static bool enter(struct walk *w, __u32 id, int depth)
{
	struct seen *seen = &w->seen[id];
	const struct btf_type *t;
	bool ok;

	if (seen->colour == OPEN)
		return fail(w, "a type contains itself");
	if (depth > MAX_DEPTH)
		return fail(w, "types are nested too deeply");
	seen->colour = OPEN;
	t = btf__type_by_id(w->btf, id);
	if (is_one_of(COMPOSITES, w, id))
		ok = visit_members(w, id, t, depth);
	else
		ok = visit(w, btf_is_array(t) ? btf_array(t)->type : t->type,
			   depth + 1);
	seen->colour = DONE;
	return ok;
}

const char *btf_problem(const struct btf *btf, const struct btf *base)
{
	__u32 first = base ? btf__type_cnt(base) : 1;
	struct walk w = {
		.btf = btf, .ids = btf__type_cnt(btf), .names = names_end(btf)};

	w.seen = calloc(w.ids, sizeof(*w.seen));
	w.members = calloc(w.ids, sizeof(*w.members));
	if (!w.seen || !w.members)
		w.problem = "out of memory";
	for (__u32 id = 1; id < w.ids && !w.problem; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		w.seen[id].kind = btf_kind(t);
		if (id >= first)
			w.problem = check_references(&w, t);
	}
	for (__u32 id = first; id < w.ids && !w.problem; id++)
		visit(&w, id, 0);
	free(w.seen);
	free(w.members);
	return w.problem;
}
