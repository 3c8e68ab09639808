// SPDX-License-Identifier: Apache-2.0
#include "object.h"

#include "answer.h"
#include "describe.h"
#include "load.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OBJECTS 1024

static struct object objects[MAX_OBJECTS];
static size_t object_count;

static void forget(struct object *object)
{
	btf__free(object->btf);
	free(object->relocations);
	memset(object, 0, sizeof(*object));
}

void object_forget_all(void)
{
	while (object_count)
		forget(&objects[--object_count]);
}

const struct object *object_kept(json_int_t number)
{
	if (number < 0 || (size_t)number >= object_count)
		return NULL;
	return &objects[number];
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
	if (record->kind > TYPE_MATCHES)
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
	return "only integers are signed or unsigned";
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
		return answer_error(relocation->problem);
	if (bpf_core_parse_spec("", btf, &relocation->record, &path)) {
		relocation->problem = "the access string does not fit the type";
		return answer_error(relocation->problem);
	}
	relocation->problem = problem_of_path(&path);
	if (relocation->problem)
		return answer_error(relocation->problem);
	bpf_core_format_spec(spec, sizeof(spec), &path);
	return json_pack("{s:o, s:o, s:o, s:o}", "spec", describe_text(spec), "root",
			 describe_root(&path), "steps", describe_steps(&path), "field",
			 describe_field(&path));
}

json_t *object_take(const struct request *request)
{
	json_t *records = json_object_get(request->json, "relocations"), *record, *list;
	struct object *object = &objects[object_count];
	const char *problem = NULL;
	bool parsed;
	size_t i;

	if (request->count != 1 || !json_is_array(records) ||
	    object_count == MAX_OBJECTS)
		return answer_error("bad request");
	object->btf = load_btf(&request->payloads[0], NULL, &problem, &parsed);
	if (!object->btf)
		return answer_error(problem);
	object->count = json_array_size(records);
	object->relocations = calloc(object->count + 1, sizeof(*object->relocations));
	if (!object->relocations) {
		forget(object);
		return answer_error("out of memory");
	}
	list = json_array();
	json_array_foreach (records, i, record) {
		if (!read_relocation(record, &object->relocations[i])) {
			json_decref(list);
			forget(object);
			return answer_error("bad request");
		}
		json_array_append_new(list,
				      local_side(object->btf, &object->relocations[i]));
	}
	return json_pack("{s:i, s:o}", "object", (int)object_count++, "relocations",
			 list);
}
