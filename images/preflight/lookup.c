// SPDX-License-Identifier: Apache-2.0
#include "lookup.h"

#include "answer.h"
#include "describe.h"
#include "moved.h"
#include "near.h"
#include "object.h"
#include "target.h"

#include <bpf/libbpf.h>
#include <string.h>

#include "engine.h"

/* From a name to its prototype, at most: more only in a circle. */
#define MOST_STEPS 32

static void add_found(json_t *list, const struct names *names, const char *name,
		      bool flavors)
{
	size_t length = flavors ? strlen(name) : bpf_core_essential_name_len(name);
	__u32 id = names_first(names, name, length);

	for (; id; id = names_next(names, id, name, length)) {
		const struct btf_type *t = btf__type_by_id(names->btf, id);

		if (!flavors &&
		    strcmp(btf__str_by_offset(names->btf, t->name_off), name))
			continue;
		json_array_append_new(list, json_pack("[I, i]", names_shown(names, id),
						      (int)btf_kind(t)));
	}
}

/* Types of the kernel, or else of the first module that has one. */
json_t *lookup_find(const struct request *request)
{
	json_t *names = json_object_get(request->json, "names"), *name, *all;
	bool flavors = json_is_true(json_object_get(request->json, "flavors"));
	size_t i;

	if (!target_count || !json_is_array(names))
		return answer_error("bad request");
	all = json_array();
	json_array_foreach (names, i, name) {
		const char *text = json_is_string(name) ? json_string_value(name) : "";
		json_t *list = json_array();

		for (size_t j = 0; !json_array_size(list) && j < target_count; j++)
			add_found(list, &target_parts[j], text, flavors);
		json_array_append_new(all, list);
	}
	return json_pack("{s:o}", "found", all);
}

/* Marks which names are functions of a BTF. They are half of a kernel's types, and few
 * are ever asked for: so there is no table of them.
 */
static void mark_functions(const struct names *names, json_t *all, json_t *found)
{
	for (__u32 id = names->first; id < btf__type_cnt(names->btf); id++) {
		const struct btf_type *t;
		const char *name;
		json_t *wanted;
		size_t i;

		if (kind_at(names, id) != BTF_KIND_FUNC)
			continue;
		t = btf__type_by_id(names->btf, id);
		name = btf__str_by_offset(names->btf, t->name_off);
		json_array_foreach (all, i, wanted) {
			const char *text = json_string_value(wanted);

			if (text && text[0] == name[0] && !strcmp(text, name))
				json_array_set_new(found, i, json_true());
		}
	}
}

json_t *lookup_functions(const struct request *request)
{
	json_t *names = json_object_get(request->json, "names"), *name, *found;
	size_t i, parts;

	if (!target_count || !json_is_array(names))
		return answer_error("bad request");
	found = json_array();
	json_array_foreach (names, i, name)
		json_array_append_new(found, json_false());
	parts = json_is_true(json_object_get(request->json, "own")) ? 1 : target_count;
	for (i = 0; i < parts; i++)
		mark_functions(&target_parts[i], names, found);
	return json_pack("{s:o}", "found", found);
}

/* The prototype that a type is, a function has, or a pointer leads to; 0 for others. */
static __u32 prototype_of(const struct btf *btf, __u32 id)
{
	for (int depth = 0; id && depth < MOST_STEPS; depth++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (btf_is_func_proto(t))
			return id;
		if (!btf_is_func(t) && !btf_is_ptr(t) && !btf_is_mod(t) &&
		    !btf_is_typedef(t))
			return 0;
		id = t->type;
	}
	return 0;
}

/* The type of a struct's member; 0 where it has none of that name. */
static __u32 member_type(const struct names *names, __u32 id, const char *name)
{
	const struct btf_type *t = btf__type_by_id(names->btf, id);

	for (__u32 i = 0; i < (__u32)btf_vlen(t); i++) {
		const struct btf_member *m = btf_members(t) + i;

		if (!strcmp(btf__str_by_offset(names->btf, m->name_off), name))
			return m->type;
	}
	return 0;
}

static const char *text_in(const json_t *json)
{
	return json_is_string(json) ? json_string_value(json) : "";
}

static json_t *described(const struct names *names, __u32 id)
{
	__u32 prototype = prototype_of(names->btf, id);

	return prototype ? describe_prototype(names, prototype) : json_null();
}

/* Adds the prototype of what is called `name` and is of a kind, in the first part that
 * has it: of a member of it, if there is one.
 */
static void add_named(json_t *list, const char *name, const char *member, int kind)
{
	for (size_t i = 0; i < target_count; i++) {
		const struct names *part = &target_parts[i];
		size_t length = strlen(name);
		__u32 id = names_first(part, name, length);

		for (; id; id = names_next(part, id, name, length)) {
			const struct btf_type *t = btf__type_by_id(part->btf, id);

			if (btf_kind(t) != kind ||
			    strcmp(btf__str_by_offset(part->btf, t->name_off), name))
				continue;
			if (member)
				id = member_type(part, id, member);
			json_array_append_new(list, described(part, id));
			return;
		}
	}
	json_array_append_new(list, json_null());
}

/* Marks the functions of a BTF as mark_functions() does. */
static void set_prototypes(const struct names *names, json_t *all, json_t *found)
{
	for (__u32 id = names->first; id < btf__type_cnt(names->btf); id++) {
		const char *name;
		json_t *wanted;
		size_t i;

		if (kind_at(names, id) != BTF_KIND_FUNC)
			continue;
		name = btf__str_by_offset(names->btf,
					  btf__type_by_id(names->btf, id)->name_off);
		json_array_foreach (all, i, wanted) {
			const char *text = json_string_value(wanted);

			if (text && text[0] == name[0] && !strcmp(text, name) &&
			    json_is_null(json_array_get(found, i)))
				json_array_set_new(found, i, described(names, id));
		}
	}
}

json_t *lookup_prototypes(const struct request *request)
{
	json_t *functions = json_object_get(request->json, "functions"), *each, *found;
	json_t *typedefs = json_object_get(request->json, "typedefs");
	json_t *members = json_object_get(request->json, "members");
	size_t i;

	if (!target_count || !json_is_array(functions) || !json_is_array(typedefs) ||
	    !json_is_array(members))
		return answer_error("bad request");
	found = json_array();
	json_array_foreach (functions, i, each)
		json_array_append_new(found, json_null());
	for (i = 0; json_array_size(functions) && i < target_count; i++)
		set_prototypes(&target_parts[i], functions, found);
	json_array_foreach (typedefs, i, each)
		add_named(found, text_in(each), NULL, BTF_KIND_TYPEDEF);
	json_array_foreach (members, i, each)
		add_named(found, text_in(json_array_get(each, 0)),
			  text_in(json_array_get(each, 1)), BTF_KIND_STRUCT);
	return json_pack("{s:o}", "prototypes", found);
}

/* Before 1.3 what follows "___" is a part of a kfunc's name. */
static size_t kfunc_length(const char *name)
{
	bool flavors = libbpf_major_version() > 1 || libbpf_minor_version() >= 3;

	return flavors ? bpf_core_essential_name_len(name) : strlen(name);
}

/* The first function of a name; 0 where there is none. */
static __u32 function_of(const struct names *names, const char *name, size_t length)
{
	for (__u32 id = names->first; id < btf__type_cnt(names->btf); id++) {
		const char *own;

		if (kind_at(names, id) != BTF_KIND_FUNC)
			continue;
		own = btf__str_by_offset(names->btf,
					 btf__type_by_id(names->btf, id)->name_off);
		if (!strncmp(own, name, length) && !own[length])
			return id;
	}
	return 0;
}

/* pahole tags kfuncs from 1.26 on. A BTF without any such tag says nothing. */
static void find_tags(const struct names *names, __u32 function, bool *tagged,
		      bool *tags)
{
	*tagged = *tags = false;
	for (__u32 id = names->first; !*tagged && id < btf__type_cnt(names->btf);
	     id++) {
		const struct btf_type *t;

		if (kind_at(names, id) != BTF_KIND_DECL_TAG)
			continue;
		t = btf__type_by_id(names->btf, id);
		if (strcmp(btf__str_by_offset(names->btf, t->name_off), "bpf_kfunc"))
			continue;
		*tags = true;
		*tagged = t->type == function;
	}
}

static json_t *kfunc(const struct object *object, const char *name, __u32 prototype)
{
	size_t length = kfunc_length(name);

	for (size_t i = 0; i < target_count; i++) {
		const struct names *part = &target_parts[i];
		__u32 id = function_of(part, name, length);
		bool tagged, tags;
		int same;

		if (!id)
			continue;
		same = bpf_core_types_are_compat(object->btf, prototype, part->btf,
						 btf__type_by_id(part->btf, id)->type);
		find_tags(part, id, &tagged, &tags);
		return json_pack("{s:b, s:b, s:b}", "compatible", same > 0, "tagged",
				 tagged, "tags", tags);
	}
	return json_null();
}

json_t *lookup_kfuncs(const struct request *request)
{
	json_t *all = json_object_get(request->json, "kfuncs"), *each, *found;
	const struct object *object = object_kept(
		json_integer_value(json_object_get(request->json, "object")));
	size_t i;

	if (!target_count || !object || !json_is_array(all))
		return answer_error("bad request");
	found = json_array();
	json_array_foreach (all, i, each) {
		json_int_t id = json_integer_value(json_array_get(each, 1));
		const struct btf_type *t = btf__type_by_id(object->btf, id);

		json_array_append_new(
			found,
			t && btf_is_func_proto(t)
				? kfunc(object, text_in(json_array_get(each, 0)), id)
				: json_null());
	}
	return json_pack("{s:o}", "kfuncs", found);
}

/* What is set in `found` for a name that has two values. */
#define AMBIGUOUS json_false()

static void set_enumerator(json_t *all, json_t *found, const char *name, __s64 value)
{
	json_t *wanted;
	size_t i;

	json_array_foreach (all, i, wanted) {
		const char *text = text_in(wanted);
		json_t *known = json_array_get(found, i);

		if (text[0] != name[0] || strcmp(text, name))
			continue;
		if (json_is_null(known))
			json_array_set_new(found, i, json_integer(value));
		else if (json_is_integer(known) && json_integer_value(known) != value)
			json_array_set_new(found, i, AMBIGUOUS);
	}
}

static void set_enumerators(const struct names *names, json_t *all, json_t *found)
{
	const struct btf *btf = names->btf;

	for (__u32 id = names->first; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t;

		if (kind_at(names, id) != BTF_KIND_ENUM &&
		    kind_at(names, id) != BTF_KIND_ENUM64)
			continue;
		t = btf__type_by_id(btf, id);
		for (__u32 i = 0; i < (__u32)btf_vlen(t); i++) {
			bool small = btf_is_enum(t);
			__u32 name = small ? btf_enum(t)[i].name_off
					   : btf_enum64(t)[i].name_off;

			set_enumerator(
				all, found, btf__str_by_offset(btf, name),
				small ? btf_enum(t)[i].val
				      : (__s64)btf_enum64_value(btf_enum64(t) + i));
		}
	}
}

json_t *lookup_enumerators(const struct request *request)
{
	json_t *names = json_object_get(request->json, "names"), *each, *found;
	size_t i;

	if (!target_count || !json_is_array(names))
		return answer_error("bad request");
	found = json_array();
	json_array_foreach (names, i, each)
		json_array_append_new(found, json_null());
	for (i = 0; i < target_count; i++)
		set_enumerators(&target_parts[i], names, found);
	json_array_foreach (found, i, each)
		if (json_is_false(each))
			json_array_set_new(found, i, json_null());
	return json_pack("{s:o}", "enumerators", found);
}

/* Names of the kernel's types or functions that resemble one, the nearest first. */
json_t *lookup_near(const struct request *request)
{
	const char *name = json_string_value(json_object_get(request->json, "name"));
	bool functions = json_is_true(json_object_get(request->json, "functions"));

	if (!target_count || !name)
		return answer_error("bad request");
	return json_pack("{s:o}", "near",
			 near_names(&target_parts[0], name, functions));
}

json_t *lookup_moved(const struct request *request)
{
	const char *name = json_string_value(json_object_get(request->json, "name"));
	json_int_t shown = json_integer_value(json_object_get(request->json, "id"));
	const struct names *part;
	__u32 id;

	if (!target_count || !name)
		return answer_error("bad request");
	part = target_part_of(shown, &id);
	return json_pack("{s:o}", "moved",
			 part ? moved_members(part, id, name) : json_array());
}

json_t *lookup_types(const struct request *request)
{
	json_t *ids = json_object_get(request->json, "ids"), *shown, *list;
	size_t i;

	if (!target_count || !json_is_array(ids))
		return answer_error("bad request");
	list = json_array();
	json_array_foreach (ids, i, shown) {
		__u32 id;
		const struct names *part =
			target_part_of(json_integer_value(shown), &id);

		json_array_append_new(list,
				      part ? describe_type(part, id) : json_null());
	}
	return json_pack("{s:o}", "types", list);
}
