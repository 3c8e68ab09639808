// SPDX-License-Identifier: Apache-2.0
#include "relocate.h"

#include "answer.h"
#include "describe.h"
#include "object.h"
#include "target.h"

#include <stdlib.h>
#include <string.h>

static bool kinds_agree(const struct btf_type *a, const struct btf_type *b)
{
	return btf_kind(a) == btf_kind(b) || (btf_is_any_enum(a) && btf_is_any_enum(b));
}

static bool add_by_names(const struct names *names, const char *name, size_t length,
			 const struct btf_type *local, struct candidates *found)
{
	__u32 id = names_first(names, name, length);

	for (; id; id = names_next(names, id, name, length)) {
		struct candidate *items;

		if (!kinds_agree(btf__type_by_id(names->btf, id), local))
			continue;
		items = reallocarray(found->items, found->len + 1, sizeof(*items));
		if (!items)
			return false;
		items[found->len] = (struct candidate){names->btf, id};
		found->items = items;
		found->len++;
	}
	return true;
}

/* Collects candidates as libbpf does: those of the kernel, or, where it has none, those
 * of all modules.
 */
static bool search(const struct btf *own, __u32 local_id, bool by_libbpf,
		   struct candidates *found)
{
	const struct btf_type *local = btf__type_by_id(own, local_id);
	const char *name = btf__str_by_offset(own, local->name_off);
	size_t length = bpf_core_essential_name_len(name);
	struct candidate self = {own, local_id};
	bool ok = true;

	/* Only libbpf looks for those. */
	by_libbpf |= btf_is_func(local);
	for (size_t i = 0; ok && i < target_count; i++) {
		const struct names *part = &target_parts[i];

		if (i == 1 && found->len)
			break;
		ok = by_libbpf ? !bpf_core_add_cands(&self, length, part->btf,
						     i ? "module" : "vmlinux",
						     part->first, found)
			       : add_by_names(part, name, length, local, found);
	}
	return ok;
}

/* Candidates of one local type. libbpf narrows them down from relocation to relocation,
 * and so does this.
 */
struct cache {
	__u32 local_id;
	struct candidates found;
	struct cache *next;
};

static struct candidates *cached(const struct btf *own, struct cache **cache,
				 __u32 local_id, bool by_libbpf)
{
	struct cache *entry;

	for (entry = *cache; entry; entry = entry->next)
		if (entry->local_id == local_id)
			return &entry->found;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->local_id = local_id;
	entry->next = *cache;
	*cache = entry;
	return search(own, local_id, by_libbpf, &entry->found) ? &entry->found : NULL;
}

static void forget_cache(struct cache *cache)
{
	while (cache) {
		struct cache *next = cache->next;

		free(cache->found.items);
		free(cache);
		cache = next;
	}
}

static json_int_t word_of(const struct bpf_insn *insn)
{
	return (json_int_t)((__u64)insn->code | (__u64)insn->dst_reg << 8 |
			    (__u64)insn->src_reg << 12 | (__u64)(__u16)insn->off << 16 |
			    (__u64)(__u32)insn->imm << 32);
}

static json_t *ids_of(const struct candidates *found)
{
	json_t *list = json_array();

	for (int i = 0; i < found->len; i++)
		json_array_append_new(list,
				      json_integer(target_shown(found->items[i].btf,
								found->items[i].id)));
	return list;
}

static json_t *result(const struct relocation *relocation,
		      const struct outcome *outcome, const struct path *there,
		      const struct candidates *found)
{
	struct bpf_insn insn[2] = {relocation->insn[0], relocation->insn[1]};
	json_t *json, *field = json_null(), *spec = json_null(), *trail = NULL;
	char text[1024];
	int patch;

	patch = bpf_core_patch_insn("", insn, relocation->insn_index,
				    &relocation->record, 0, outcome);
	if (there->btf) {
		bpf_core_format_spec(text, sizeof(text), there);
		spec = describe_text(text);
		field = describe_field(there);
		trail = relocation->record.kind <= BPF_CORE_FIELD_RSHIFT_U64
				? describe_trail(there)
				: NULL;
	}
	json = json_pack("{s:I, s:I, s:b, s:b, s:b, s:i, s:[I, I], s:o, s:o, s:o}",
			 "old", (json_int_t)outcome->old_value, "new",
			 (json_int_t)outcome->new_value, "poison", outcome->poison,
			 "wrong_size", outcome->wrong_access_size, "found",
			 there->btf != NULL ||
				 relocation->record.kind == BPF_CORE_TYPE_ID_LOCAL,
			 "patch", patch, "words", word_of(&insn[0]), word_of(&insn[1]),
			 "spec", spec, "field", field, "candidates", ids_of(found));
	json_object_set_new(json, "said", describe_text(answer_warnings()));
	json_object_set_new(json, "trail", trail ? trail : json_array());
	return json;
}

/* Asks libbpf for another property of the field that a relocation is about. */
static bool property(const struct btf *own, const struct relocation *relocation,
		     const struct candidates *found, enum bpf_core_relo_kind kind,
		     struct outcome *outcome)
{
	static struct path paths[3];
	struct bpf_core_relo record = relocation->record;
	/* It narrows them down, and they are wanted as they are. */
	struct candidates copy = {.len = found->len};
	bool ok;

	record.kind = kind;
	copy.items = malloc((found->len + 1) * sizeof(*copy.items));
	if (!copy.items)
		return false;
	if (found->len)
		memcpy(copy.items, found->items, found->len * sizeof(*copy.items));
	memset(paths, 0, sizeof(paths));
	ok = !bpf_core_calc_relo_insn("", &record, 0, own, &copy, paths, outcome) &&
	     !outcome->poison;
	free(copy.items);
	return ok;
}

/* libbpf computes by how much a field is shifted to the left for the byte order of the
 * machine that it was compiled for (bpf_core_calc_field_relo()):
 *
 *   little: 64 - (bit_off + bit_sz - byte_off * 8)
 *   big:    (8 - byte_sz) * 8 + (bit_off - byte_off * 8)
 *
 * so that both together are 64 - bit_sz, which is the shift to the right, and what a
 * load of byte_sz leaves free.
 */
static relocation_value otherwise(relocation_value shift, relocation_value to_the_right,
				  relocation_value byte_size)
{
	return to_the_right + 64 - 8 * byte_size - shift;
}

static bool shift_as_target(const struct btf *own, const struct relocation *relocation,
			    const struct candidates *found, struct outcome *outcome)
{
	struct outcome right = {}, size = {};

	if (outcome->poison || !target_swapped ||
	    relocation->record.kind != BPF_CORE_FIELD_LSHIFT_U64)
		return true;
	if (!property(own, relocation, found, BPF_CORE_FIELD_RSHIFT_U64, &right) ||
	    !property(own, relocation, found, BPF_CORE_FIELD_BYTE_SIZE, &size))
		return false;
	outcome->old_value =
		otherwise(outcome->old_value, right.old_value, size.old_value);
	outcome->new_value =
		otherwise(outcome->new_value, right.new_value, size.new_value);
	return true;
}

static json_t *relocate_one(const struct btf *own, const struct relocation *relocation,
			    struct cache **cache, bool by_libbpf)
{
	static struct path paths[3];
	struct candidates none = {}, *found = &none, before;
	struct outcome outcome = {};
	int failed;

	answer_forget_warnings();
	if (relocation->problem)
		return answer_error(relocation->problem);
	if (relocation->record.kind != BPF_CORE_TYPE_ID_LOCAL) {
		const struct btf_type *local =
			btf__type_by_id(own, relocation->record.type_id);

		if (!btf__str_by_offset(own, local->name_off)[0])
			return answer_error(
				"types without a name can't be searched for");
		found = cached(own, cache, relocation->record.type_id, by_libbpf);
	}
	if (!found)
		return answer_error("out of memory");
	memset(paths, 0, sizeof(paths));
	before.len = found->len;
	before.items = malloc((found->len + 1) * sizeof(*before.items));
	if (!before.items)
		return answer_error("out of memory");
	if (found->len)
		memcpy(before.items, found->items, found->len * sizeof(*before.items));
	failed = bpf_core_calc_relo_insn("", &relocation->record, 0, own, found, paths,
					 &outcome);
	if (failed) {
		/* libbpf would stop here; the others are still to be told. */
		free(found->items);
		*found = before;
		return answer_error_saying("libbpf refuses this relocation");
	}
	free(before.items);
	if (!shift_as_target(own, relocation, found, &outcome))
		return answer_error("its shift is unknown for the other byte order");
	return result(relocation, &outcome, &paths[2], found);
}

json_t *relocate_object(const struct request *request)
{
	const char *how = json_string_value(json_object_get(request->json, "search"));
	const struct object *object = object_kept(
		json_integer_value(json_object_get(request->json, "object")));
	bool by_libbpf = how && !strcmp(how, "libbpf");
	struct cache *cache = NULL;
	json_t *list;

	if (!object || !target_count)
		return answer_error("bad request");
	list = json_array();
	for (size_t i = 0; i < object->count; i++)
		json_array_append_new(list,
				      relocate_one(object->btf, &object->relocations[i],
						   &cache, by_libbpf));
	forget_cache(cache);
	return json_pack("{s:o}", "relocations", list);
}
