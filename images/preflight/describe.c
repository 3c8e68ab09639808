// SPDX-License-Identifier: Apache-2.0
#include "describe.h"

#include "bare.h"

#include <stdio.h>
#include <string.h>

#define MAX_TEXT 256

/* Pointers to pointers …, shown at most. */
#define MAX_CHAIN 16

json_t *describe_text(const char *text)
{
	char clean[2048];
	size_t i;

	for (i = 0; text[i] && i < sizeof(clean) - 1; i++)
		clean[i] = text[i] == '\n'		      ? ' '
			   : text[i] >= ' ' && text[i] <= '~' ? text[i]
							      : '?';
	clean[i] = 0;
	return json_string(clean);
}

static const char *name_of(const struct btf *btf, const struct btf_type *t)
{
	const char *name = btf__str_by_offset(btf, t->name_off);

	return name ? name : "";
}

static void named(char *text, size_t size, const char *word, const char *name)
{
	snprintf(text, size, "%s %s", word, name[0] ? name : "{…}");
}

static void type_text(const struct btf *btf, __u32 id, char *text, size_t size,
		      int depth)
{
	const struct btf_type *t = btf__type_by_id(btf, id);
	char inner[MAX_TEXT];
	size_t length;

	if (depth > MAX_CHAIN) {
		snprintf(text, size, "…");
		return;
	}
	switch (btf_kind(t)) {
	case BTF_KIND_UNKN:
		snprintf(text, size, "void");
		break;
	case BTF_KIND_PTR:
		type_text(btf, t->type, inner, sizeof(inner), depth + 1);
		length = strlen(inner);
		snprintf(text, size, "%.240s%s*", inner,
			 length && inner[length - 1] == '*' ? "" : " ");
		break;
	case BTF_KIND_ARRAY:
		type_text(btf, btf_array(t)->type, inner, sizeof(inner), depth + 1);
		snprintf(text, size, "%.240s[%u]", inner, btf_array(t)->nelems);
		break;
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
		type_text(btf, t->type, inner, sizeof(inner), depth + 1);
		snprintf(text, size, "%s %.240s",
			 btf_is_const(t)      ? "const"
			 : btf_is_volatile(t) ? "volatile"
					      : "restrict",
			 inner);
		break;
	case BTF_KIND_TYPE_TAG:
	case BTF_KIND_VAR:
		type_text(btf, t->type, text, size, depth + 1);
		break;
	case BTF_KIND_STRUCT:
		named(text, size, "struct", name_of(btf, t));
		break;
	case BTF_KIND_UNION:
		named(text, size, "union", name_of(btf, t));
		break;
	case BTF_KIND_FWD:
		named(text, size, btf_kflag(t) ? "union" : "struct", name_of(btf, t));
		break;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		named(text, size, "enum", name_of(btf, t));
		break;
	case BTF_KIND_FUNC_PROTO:
		type_text(btf, t->type, inner, sizeof(inner), depth + 1);
		snprintf(text, size, "%.240s (…)", inner);
		break;
	default:
		snprintf(text, size, "%s", name_of(btf, t));
	}
}

static json_t *text_of(const struct btf *btf, __u32 id)
{
	char text[MAX_TEXT];
	json_t *json;

	type_text(btf, id, text, sizeof(text), 0);
	/* The ellipsis is the only text that is not ASCII. */
	json = json_string(text);
	return json ? json : describe_text(text);
}

static bool is_signed(const struct btf_type *t)
{
	if (btf_is_any_enum(t))
		return btf_kflag(t);
	return btf_is_int(t) && (btf_int_encoding(t) & BTF_INT_SIGNED);
}

static json_t *size_of(const struct btf *btf, __u32 id)
{
	__s64 size = btf__resolve_size(btf, id);

	return size < 0 ? json_null() : json_integer(size);
}

json_t *describe_member(const struct names *names, const struct btf_type *t, int index)
{
	const struct btf_member *m = btf_members(t) + index;
	const struct btf *btf = names->btf;

	return json_pack("{s:o, s:I, s:o, s:i, s:o, s:i, s:i, s:b}", "name",
			 describe_text(btf__str_by_offset(btf, m->name_off)), "type",
			 names_shown(names, m->type), "text", text_of(btf, m->type),
			 "kind", (int)btf_kind(bare_type(btf, m->type)), "size",
			 size_of(btf, m->type), "bit_offset",
			 (int)btf_member_bit_offset(t, index), "bits",
			 (int)btf_member_bitfield_size(t, index), "signed",
			 is_signed(bare_type(btf, m->type)));
}

static json_t *enumerator(const struct btf *btf, const struct btf_type *t, int index)
{
	__u32 name;
	__s64 value;

	if (btf_is_enum(t)) {
		const struct btf_enum *e = btf_enum(t) + index;

		name = e->name_off;
		value = btf_kflag(t) ? e->val : (__s64)(__u32)e->val;
	} else {
		const struct btf_enum64 *e = btf_enum64(t) + index;

		name = e->name_off;
		value = (__s64)btf_enum64_value(e);
	}
	return json_pack("[o, I]", describe_text(btf__str_by_offset(btf, name)),
			 (json_int_t)value);
}

/* What a pointer points to, or an array's element; 0 for others. */
static json_int_t aim_of(const struct names *names, const struct btf_type *t)
{
	if (btf_is_ptr(t))
		return names_shown(names, t->type);
	return btf_is_array(t) ? names_shown(names, btf_array(t)->type) : 0;
}

json_t *describe_type(const struct names *names, __u32 id)
{
	const struct btf *btf = names->btf;
	const struct btf_type *t = btf__type_by_id(btf, id), *b = bare_type(btf, id);
	json_t *json, *list = json_array();

	json = json_pack("{s:I, s:i, s:o, s:o, s:o, s:I, s:I, s:o}", "id",
			 names_shown(names, id), "kind", (int)btf_kind(b), "name",
			 describe_text(name_of(btf, t)), "text", text_of(btf, id),
			 "size", size_of(btf, id), "to", aim_of(names, b), "count",
			 (json_int_t)(btf_is_array(b) ? btf_array(b)->nelems : 0),
			 "members", list);
	for (__u32 i = 0; btf_is_composite(b) && i < (__u32)btf_vlen(b); i++)
		json_array_append_new(list, describe_member(names, b, i));
	for (__u32 i = 0; btf_is_any_enum(b) && i < (__u32)btf_vlen(b); i++)
		json_array_append_new(list, enumerator(btf, b, i));
	return json;
}

/* A parameter, or what a function returns: its name is empty. */
static json_t *slot(const struct names *names, const char *name, __u32 id)
{
	const struct btf *btf = names->btf;
	const struct btf_type *b = bare_type(btf, id), *to;
	__u32 aim = btf_is_ptr(b) ? b->type : 0;
	json_t *json;

	json = json_pack("{s:o, s:o, s:i, s:o}", "name", describe_text(name), "text",
			 text_of(btf, id), "kind", (int)btf_kind(b), "size",
			 size_of(btf, id));
	if (!btf_is_ptr(b))
		return json;
	to = bare_type(btf, aim);
	json_object_set_new(json, "to", describe_text(name_of(btf, to)));
	json_object_set_new(json, "to_kind", json_integer(btf_kind(to)));
	json_object_set_new(json, "to_size", size_of(btf, aim));
	return json;
}

json_t *describe_prototype(const struct names *names, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(names->btf, id);
	const struct btf_param *p = btf_params(t);
	json_t *list = json_array();

	for (__u32 i = 0; i < (__u32)btf_vlen(t); i++)
		json_array_append_new(
			list, slot(names, btf__str_by_offset(names->btf, p[i].name_off),
				   p[i].type));
	return json_pack("{s:o, s:o}", "parameters", list, "returns",
			 slot(names, "", t->type));
}

json_t *describe_field(const struct path *path)
{
	/* Paths to types themselves have no steps. */
	const struct step *last = &path->steps[path->len ? path->len - 1 : 0];
	__u32 id = path->root_type_id, bits = 0;
	const struct btf_type *t;

	if (path->len && !last->name) {
		id = last->type_id;
	} else if (path->len &&
		   btf_is_composite(btf__type_by_id(path->btf, last->type_id))) {
		t = btf__type_by_id(path->btf, last->type_id);
		id = btf_members(t)[last->index].type;
		bits = btf_member_bitfield_size(t, last->index);
	}
	t = bare_type(path->btf, id);
	return json_pack("{s:o, s:i, s:o, s:i, s:I, s:b}", "text",
			 text_of(path->btf, id), "kind", (int)btf_kind(t), "size",
			 size_of(path->btf, id), "bits", (int)bits, "bit_offset",
			 (json_int_t)path->bit_offset, "signed", is_signed(t));
}

json_t *describe_root(const struct path *path)
{
	const struct btf_type *t = btf__type_by_id(path->btf, path->root_type_id);

	return json_pack("{s:i, s:o, s:o}", "kind", (int)btf_kind(t), "name",
			 describe_text(name_of(path->btf, t)), "text",
			 text_of(path->btf, path->root_type_id));
}

json_t *describe_steps(const struct path *path)
{
	json_t *list = json_array();

	/* The first one is the type itself, but for enumerators. */
	for (int i = 0; i < path->len; i++) {
		const struct step *step = &path->steps[i];

		if (step->name)
			json_array_append_new(list, describe_text(step->name));
		else if (i > 0 || step->index)
			json_array_append_new(list, json_integer(step->index));
	}
	return list;
}

json_t *describe_trail(const struct path *path)
{
	__u32 id = path->root_type_id;
	json_t *list = json_array();
	__s64 offset = 0;

	for (int i = 1; i < path->raw_len; i++) {
		const struct btf_type *t = bare_type(path->btf, id);

		if (btf_is_composite(t)) {
			const struct btf_member *m = btf_members(t) + path->raw[i];

			offset += btf_member_bit_offset(t, path->raw[i]);
			id = m->type;
			if (!btf__str_by_offset(path->btf, m->name_off)[0])
				continue;
		} else if (btf_is_array(t)) {
			id = btf_array(t)->type;
			offset += 8 * path->raw[i] * btf__resolve_size(path->btf, id);
		} else {
			break;
		}
		json_array_append_new(list, json_integer(offset));
	}
	return list;
}
