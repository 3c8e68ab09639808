// SPDX-License-Identifier: Apache-2.0
/* Relocates objects against BTFs by libbpf's own engine, and describes types.
 *
 * A request is a line of JSON on standard input, followed by as many bytes as its
 * "sizes" tell; an answer is a line of JSON on standard output:
 *
 *   {"op": "object", "sizes": [N], "relocations": [[type, access, kind, insn, w0, w1]]}
 *      The .BTF of an object, its CO-RE records and the instructions that they are for,
 *      as two little-endian words. It is kept.
 *      -> {"object": NUMBER, "relocations": [{"spec", "root", "steps", "field"} |
 *      {"error"}]}
 *   {"op": "names"} -> {"helpers": [NAME …], "programs": …, "maps": …, "attach": …}
 *   {"op": "contents", "sizes": [N]}
 *      A whole object. -> {"programs": [{…}], "maps": [{…}]}
 *   {"op": "target", "sizes": [N, M …]}
 *      A kernel's BTF, and BTFs of modules on top of it.
 *      -> {"types", "functions", "pointer", "swapped"}
 *   {"op": "relocate", "object": NUMBER, "search": "names" | "libbpf"}
 *      -> {"relocations": [{"status", "old", "new", "poison", "patch", "words", …}]}
 *   {"op": "find", "names": [NAME …], "flavors": BOOL} -> {"found": [[[id, kind] …] …]}
 *   {"op": "near", "name": NAME} -> {"near": [NAME …]}
 *   {"op": "moved", "id": HOLDER, "name": MEMBER} -> {"moved": [{…} …]}
 *   {"op": "types", "ids": [ID …]} -> {"types": [{…} …]}
 *
 * A request that can't be served is answered {"error": TEXT}. One that takes too long,
 * or breaks this process, ends it: nothing but this process is lost.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <jansson.h>

#include "confine.h"
#include "contents.h"
#include "describe.h"
#include "engine.h"
#include "moved.h"
#include "names.h"
#include "near.h"
#include "sound.h"

/* Seconds of processor time for a request; a 5 MB BTF takes hundredths. */
#define TIME 10

/* Bytes; the largest BTF of a distribution's kernel has 20 MB. */
#define MAX_PAYLOAD (128l << 20)

#define MAX_MODULES 256

#define MAX_OBJECTS 1024

/* libbpf looks at the first element of an enumeration that may have none. */
#define PADDING 64

struct relocation {
	struct bpf_core_relo record;
	int insn_index;
	struct bpf_insn insn[2];
	/* What can't be tried, or NULL. */
	const char *problem;
};

struct object {
	struct btf *btf;
	struct relocation *relocations;
	size_t count;
};

static struct object objects[MAX_OBJECTS];
static size_t object_count;

static struct {
	struct btf *base;
	struct btf *modules[MAX_MODULES];
	size_t module_count;
	struct names names;
	/* Of modules[i]. */
	struct names module_names[MAX_MODULES];
} target;

/* libbpf's warnings since the last request or relocation. */
static char said[1024];

static int listen(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t used = strlen(said);

	if (level == LIBBPF_WARN)
		vsnprintf(said + used, sizeof(said) - used, format, arguments);
	return 0;
}

static json_t *error(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

static json_t *error_saying(const char *text)
{
	json_t *whole = describe_text(said[0] ? said : text);

	return json_pack("{s:o}", "error", whole);
}

/* ---------------------------------------------------------------- BTF */

static bool has_magic(const __u8 *data, size_t size)
{
	return size >= 2 && ((data[0] == 0x9f && data[1] == 0xeb) ||
			     (data[0] == 0xeb && data[1] == 0x9f));
}

static struct {
	__u8 *data;
	size_t size;
} opened;

/* Stands in for libbpf's fopen() (the linker's --wrap): 1.1 takes BTF on top of another
 * from files only, and this process may open none.
 */
FILE *__wrap_fopen64(const char *path, const char *mode);

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	(void)path;
	(void)mode;
	return fmemopen(opened.data, opened.size, "r");
}

static struct btf *parse_split(__u8 *data, size_t size, struct btf *base)
{
	opened.data = data;
	opened.size = size;
	return btf__parse_raw_split("", base);
}

/* Returns a BTF that is safe to use, or NULL with `*problem`. */
static struct btf *parse(__u8 *data, size_t size, struct btf *base,
			 const char **problem)
{
	__u32 first = base ? btf__type_cnt(base) : 1;
	struct btf *btf;

	if (!has_magic(data, size)) {
		*problem = "is no BTF: it begins with another magic number";
		return NULL;
	}
	btf = base ? parse_split(data, size + PADDING, base)
		   : btf__new(data, size + PADDING);
	if (!btf) {
		*problem =
			errno == ENOMEM ? "out of memory" : "is truncated or malformed";
		return NULL;
	}
	*problem = sound(btf, first);
	if (!*problem)
		return btf;
	btf__free(btf);
	return NULL;
}

/* ---------------------------------------------------------------- object */

static void forget_object(struct object *object)
{
	btf__free(object->btf);
	free(object->relocations);
	memset(object, 0, sizeof(*object));
}

/* libbpf's scanf takes signs and numbers that overflow. */
static bool is_access_string(const char *text)
{
	int digits = 0;

	for (; *text; text++) {
		if (*text == ':')
			digits = 0;
		else if (*text < '0' || *text > '9' || ++digits > 9)
			return false;
	}
	return true;
}

static const char *problem_of(const struct btf *btf, const struct bpf_core_relo *record)
{
	const char *access = btf__str_by_offset(btf, record->access_str_off);
	const struct btf_type *type = btf__type_by_id(btf, record->type_id);

	if (!type)
		return "the relocated type does not exist";
	if (!access || !is_access_string(access))
		return "the access string is malformed";
	if (record->kind > BPF_CORE_TYPE_MATCHES)
		return "the kind of relocation is unknown";
	return NULL;
}

static const char *problem_of_path(const struct path *path)
{
	json_t *field;
	int kind;

	if (path->kind != BPF_CORE_FIELD_SIGNED)
		return NULL;
	/* Where libbpf before 1.6 reads a sign that pointers and structs don't have. */
	field = describe_field(path);
	kind = json_integer_value(json_object_get(field, "kind"));
	json_decref(field);
	if (kind == BTF_KIND_INT || kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64)
		return NULL;
	return "the sign of what is no integer is undefined";
}

static bool read_relocation(json_t *json, struct relocation *relocation)
{
	json_int_t type, access, kind, insn, words[2];

	if (json_unpack(json, "[I, I, I, I, I, I!]", &type, &access, &kind, &insn,
			&words[0], &words[1]))
		return false;
	relocation->record = (struct bpf_core_relo){
		.insn_off = insn * sizeof(struct bpf_insn),
		.type_id = type,
		.access_str_off = access,
		.kind = kind,
	};
	relocation->insn_index = insn;
	for (int i = 0; i < 2; i++) {
		__u64 word = words[i];

		relocation->insn[i] = (struct bpf_insn){
			.code = word,
			.dst_reg = word >> 8,
			.src_reg = word >> 12,
			.off = word >> 16,
			.imm = word >> 32,
		};
	}
	return true;
}

static json_t *local_side(const struct btf *btf, struct relocation *relocation)
{
	struct path path;
	char spec[1024];

	relocation->problem = problem_of(btf, &relocation->record);
	if (relocation->problem)
		return error(relocation->problem);
	if (bpf_core_parse_spec("", btf, &relocation->record, &path)) {
		relocation->problem = "the access string does not fit the type";
		return error(relocation->problem);
	}
	relocation->problem = problem_of_path(&path);
	if (relocation->problem)
		return error(relocation->problem);
	bpf_core_format_spec(spec, sizeof(spec), &path);
	return json_pack("{s:o, s:o, s:o, s:o}", "spec", describe_text(spec), "root",
			 describe_root(&path), "steps", describe_steps(&path), "field",
			 describe_field(&path));
}

static json_t *take_object(json_t *request, __u8 **payloads, const size_t *sizes,
			   size_t count)
{
	json_t *records = json_object_get(request, "relocations"), *record, *list;
	struct object *object = &objects[object_count];
	const char *problem = NULL;
	size_t i;

	if (count != 1 || !json_is_array(records) || object_count == MAX_OBJECTS)
		return error("bad request");
	object->btf = parse(payloads[0], sizes[0], NULL, &problem);
	if (!object->btf)
		return error(problem);
	object->count = json_array_size(records);
	object->relocations = calloc(object->count + 1, sizeof(*object->relocations));
	if (!object->relocations) {
		forget_object(object);
		return error("out of memory");
	}
	list = json_array();
	json_array_foreach (records, i, record) {
		if (!read_relocation(record, &object->relocations[i])) {
			json_decref(list);
			forget_object(object);
			return error("bad request");
		}
		json_array_append_new(list,
				      local_side(object->btf, &object->relocations[i]));
	}
	return json_pack("{s:i, s:o}", "object", (int)object_count++, "relocations",
			 list);
}

static json_t *look_into(__u8 **payloads, const size_t *sizes, size_t count)
{
	json_t *found;

	if (count != 1)
		return error("bad request");
	found = contents(payloads[0], sizes[0]);
	return found ? found : error_saying("it is no object");
}

/* ---------------------------------------------------------------- target */

static void forget_target(void)
{
	names_free(&target.names);
	for (size_t i = 0; i < target.module_count; i++) {
		names_free(&target.module_names[i]);
		btf__free(target.modules[i]);
	}
	btf__free(target.base);
	memset(&target, 0, sizeof(target));
}

/* Cut BTF, for relocations only, has none. */
static bool has_functions(const struct btf *btf)
{
	for (__u32 id = btf__type_cnt(btf) - 1; id > 0; id--)
		if (btf_is_func(btf__type_by_id(btf, id)))
			return true;
	return false;
}

static json_t *take_target(json_t *request, __u8 **payloads, const size_t *sizes,
			   size_t count)
{
	const char *problem = NULL;

	(void)request;
	forget_target();
	if (!count || count > MAX_MODULES + 1)
		return error("bad request");
	target.base = parse(payloads[0], sizes[0], NULL, &problem);
	if (!target.base)
		return error(problem);
	if (!names_build(&target.names, target.base, 1))
		return error("out of memory");
	for (size_t i = 1; i < count; i++) {
		struct btf *module =
			parse(payloads[i], sizes[i], target.base, &problem);

		if (!module) {
			forget_target();
			return error(problem);
		}
		target.modules[target.module_count] = module;
		if (!names_build(&target.module_names[target.module_count++], module,
				 btf__type_cnt(target.base)))
			return error("out of memory");
	}
	return json_pack(
		"{s:i, s:b, s:i, s:b}", "types", (int)btf__type_cnt(target.base),
		"functions", has_functions(target.base), "pointer",
		(int)btf__pointer_size(target.base), "swapped",
		payloads[0][0] ==
			(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0xeb : 0x9f));
}

/* ---------------------------------------------------------------- relocate */

static bool kinds_agree(const struct btf_type *a, const struct btf_type *b)
{
	return btf_kind(a) == btf_kind(b) || (btf_is_any_enum(a) && btf_is_any_enum(b));
}

static bool add_by_names(const struct names *names, __u32 first, const char *name,
			 size_t length, const struct btf_type *local,
			 struct candidates *found)
{
	__u32 id = names_first(names, name, length);

	for (; id; id = names_next(names, id, name, length)) {
		struct candidate *items;

		if (id < first || !kinds_agree(btf__type_by_id(names->btf, id), local))
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

/* Collects candidates as libbpf does: modules count where the kernel has none. */
static bool search(const struct btf *own, __u32 local_id, bool by_libbpf,
		   struct candidates *found)
{
	const struct btf_type *local = btf__type_by_id(own, local_id);
	const char *name = btf__str_by_offset(own, local->name_off);
	size_t length = bpf_core_essential_name_len(name);
	struct candidate self = {own, local_id};
	__u32 first = btf__type_cnt(target.base);
	bool ok;

	ok = by_libbpf ? !bpf_core_add_cands(&self, length, target.base, "vmlinux", 1,
					     found)
		       : add_by_names(&target.names, 1, name, length, local, found);
	for (size_t i = 0, len = found->len; ok && !len && i < target.module_count; i++)
		ok = by_libbpf ? !bpf_core_add_cands(&self, length, target.modules[i],
						     "module", first, found)
			       : add_by_names(&target.module_names[i], first, name,
					      length, local, found);
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
		json_array_append_new(list, json_integer(found->items[i].id));
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
	json_object_set_new(json, "said", describe_text(said));
	json_object_set_new(json, "trail", trail ? trail : json_array());
	return json;
}

static json_t *relocate_one(const struct btf *own, const struct relocation *relocation,
			    struct cache **cache, bool by_libbpf)
{
	static struct path paths[3];
	struct candidates none = {}, *found = &none, before;
	struct outcome outcome = {};
	int failed;

	said[0] = 0;
	if (relocation->problem)
		return error(relocation->problem);
	if (relocation->record.kind != BPF_CORE_TYPE_ID_LOCAL) {
		const struct btf_type *local =
			btf__type_by_id(own, relocation->record.type_id);

		if (!btf__str_by_offset(own, local->name_off)[0])
			return error("types without a name can't be searched for");
		found = cached(own, cache, relocation->record.type_id, by_libbpf);
	}
	if (!found)
		return error("out of memory");
	memset(paths, 0, sizeof(paths));
	before.len = found->len;
	before.items = malloc((found->len + 1) * sizeof(*before.items));
	if (!before.items)
		return error("out of memory");
	if (found->len)
		memcpy(before.items, found->items, found->len * sizeof(*before.items));
	failed = bpf_core_calc_relo_insn("", &relocation->record, 0, own, found, paths,
					 &outcome);
	if (failed) {
		/* libbpf would stop here; the others are still to be told. */
		free(found->items);
		*found = before;
		return error_saying("libbpf refuses this relocation");
	}
	free(before.items);
	return result(relocation, &outcome, &paths[2], found);
}

static json_t *relocate(json_t *request)
{
	const char *how = json_string_value(json_object_get(request, "search"));
	json_int_t number = json_integer_value(json_object_get(request, "object"));
	bool by_libbpf = how && !strcmp(how, "libbpf");
	struct cache *cache = NULL;
	struct object *object;
	json_t *list;

	if (number < 0 || (size_t)number >= object_count || !target.base)
		return error("bad request");
	object = &objects[number];
	list = json_array();
	for (size_t i = 0; i < object->count; i++)
		json_array_append_new(list,
				      relocate_one(object->btf, &object->relocations[i],
						   &cache, by_libbpf));
	forget_cache(cache);
	return json_pack("{s:o}", "relocations", list);
}

/* ---------------------------------------------------------------- look up */

static void add_found(json_t *list, const struct names *names, __u32 first,
		      const char *name, bool flavors)
{
	size_t length = flavors ? strlen(name) : bpf_core_essential_name_len(name);
	__u32 id = names_first(names, name, length);

	for (; id; id = names_next(names, id, name, length)) {
		const struct btf_type *t = btf__type_by_id(names->btf, id);

		if (id < first ||
		    (!flavors &&
		     strcmp(btf__str_by_offset(names->btf, t->name_off), name)))
			continue;
		json_array_append_new(
			list, json_pack("[I, i]", (json_int_t)id, (int)btf_kind(t)));
	}
}

/* Ids of modules are those of the first one that has the type. */
static json_t *find(json_t *request)
{
	json_t *names = json_object_get(request, "names"), *name, *all;
	bool flavors = json_is_true(json_object_get(request, "flavors"));
	size_t i;

	if (!target.base || !json_is_array(names))
		return error("bad request");
	all = json_array();
	json_array_foreach (names, i, name) {
		const char *text = json_is_string(name) ? json_string_value(name) : "";
		json_t *list = json_array();

		add_found(list, &target.names, 1, text, flavors);
		for (size_t j = 0; !json_array_size(list) && j < target.module_count;
		     j++)
			add_found(list, &target.module_names[j],
				  btf__type_cnt(target.base), text, flavors);
		json_array_append_new(all, list);
	}
	return json_pack("{s:o}", "found", all);
}

/* Names of types that resemble one, the nearest first. */
static json_t *near(json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));

	if (!target.base || !name)
		return error("bad request");
	return json_pack("{s:o}", "near", near_types(target.base, name));
}

static json_t *moved(json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	json_int_t id = json_integer_value(json_object_get(request, "id"));

	if (!target.base || !name)
		return error("bad request");
	return json_pack("{s:o}", "moved", moved_members(target.base, id, name));
}

static json_t *types(json_t *request)
{
	const struct btf *btf = target.module_count ? target.modules[0] : target.base;
	json_t *ids = json_object_get(request, "ids"), *id, *list;
	size_t i;

	if (!target.base || !json_is_array(ids))
		return error("bad request");
	list = json_array();
	json_array_foreach (ids, i, id)
		json_array_append_new(list, describe_type(btf, json_integer_value(id)));
	return json_pack("{s:o}", "types", list);
}

/* ---------------------------------------------------------------- requests */

static json_t *serve(json_t *request, __u8 **payloads, const size_t *sizes,
		     size_t count)
{
	const char *op = json_string_value(json_object_get(request, "op"));

	said[0] = 0;
	if (!op)
		return error("bad request");
	if (!strcmp(op, "object"))
		return take_object(request, payloads, sizes, count);
	if (!strcmp(op, "names"))
		return known_names();
	if (!strcmp(op, "contents"))
		return look_into(payloads, sizes, count);
	if (!strcmp(op, "target"))
		return take_target(request, payloads, sizes, count);
	if (!strcmp(op, "relocate"))
		return relocate(request);
	if (!strcmp(op, "find"))
		return find(request);
	if (!strcmp(op, "near"))
		return near(request);
	if (!strcmp(op, "moved"))
		return moved(request);
	if (!strcmp(op, "types"))
		return types(request);
	return error("bad request");
}

/* Reads what follows a request; false means that the other side is gone or wrong. */
static bool read_payloads(json_t *request, __u8 **payloads, size_t *sizes,
			  size_t *count)
{
	json_t *list = json_object_get(request, "sizes"), *size;
	size_t i;

	*count = json_array_size(list);
	if (*count > MAX_MODULES + 1)
		return false;
	json_array_foreach (list, i, size) {
		json_int_t length = json_integer_value(size);

		if (length < 0 || length > MAX_PAYLOAD)
			return false;
		sizes[i] = length;
		payloads[i] = malloc(length + PADDING);
		if (!payloads[i] || fread(payloads[i], 1, length, stdin) != sizes[i])
			return false;
		memset(payloads[i] + length, 0, PADDING);
	}
	return true;
}

static bool answer_next(void)
{
	__u8 *payloads[MAX_MODULES + 1] = {};
	size_t sizes[MAX_MODULES + 1], count = 0, room = 0;
	json_t *request, *answer;
	char *line = NULL;
	bool ok = false;

	if (getline(&line, &room, stdin) <= 0)
		return free(line), false;
	allow(TIME);
	request = json_loads(line, 0, NULL);
	free(line);
	if (read_payloads(request, payloads, sizes, &count)) {
		answer = serve(request, payloads, sizes, count);
		ok = answer && !json_dumpf(answer, stdout, JSON_COMPACT) &&
		     putchar('\n') != EOF && !fflush(stdout);
		json_decref(answer);
	}
	for (size_t i = 0; i < count; i++)
		free(payloads[i]);
	json_decref(request);
	allow(0);
	return ok;
}

int main(void)
{
	/* Megabytes come and go at each request: keep them. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	libbpf_set_print(listen);
	if (confine()) {
		perror("confine");
		return 1;
	}
	while (answer_next())
		;
	while (object_count)
		forget_object(&objects[--object_count]);
	forget_target();
	return 0;
}
