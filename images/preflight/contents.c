// SPDX-License-Identifier: Apache-2.0
#include "contents.h"

#include "answer.h"
#include "describe.h"
#include "older.h"

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

/* More than there are of any kind. */
#define MOST_TYPES 96

#define NAME(name) #name

/* By their numbers, as far as this machine's header knows them. */
static const char *const helpers[] = {__BPF_FUNC_MAPPER(NAME)};

static json_t *names_of(const char *(*name)(int), int count)
{
	json_t *list = json_array();

	for (int i = 0; i < count; i++) {
		const char *text = name(i);

		json_array_append_new(list, json_string(text ? text : ""));
	}
	return list;
}

static const char *helper(int number)
{
	return helpers[number];
}

static const char *program_type(int number)
{
	return libbpf_bpf_prog_type_str(number);
}

static const char *map_type(int number)
{
	return libbpf_bpf_map_type_str(number);
}

static const char *attach_type(int number)
{
	return libbpf_bpf_attach_type_str(number);
}

json_t *contents_names(const struct request *request)
{
	(void)request;
	return json_pack("{s:[i, i], s:o, s:o, s:o, s:o}", "version",
			 (int)libbpf_major_version(), (int)libbpf_minor_version(),
			 "helpers",
			 names_of(helper, sizeof(helpers) / sizeof(*helpers)),
			 "programs", names_of(program_type, MOST_TYPES), "maps",
			 names_of(map_type, MOST_TYPES), "attach",
			 names_of(attach_type, MOST_TYPES));
}

static json_t *program(const struct bpf_program *it)
{
	return json_pack("{s:o, s:o, s:i, s:i, s:b, s:i}", "name",
			 describe_text(bpf_program__name(it)), "section",
			 describe_text(bpf_program__section_name(it)), "type",
			 (int)bpf_program__type(it), "attach_type",
			 (int)bpf_program__expected_attach_type(it), "autoload",
			 bpf_program__autoload(it), "instructions",
			 (int)bpf_program__insn_cnt(it));
}

static json_t *map(const struct bpf_map *it)
{
	return json_pack("{s:o, s:i, s:i, s:i, s:I, s:I, s:b}", "name",
			 describe_text(bpf_map__name(it)), "type",
			 (int)bpf_map__type(it), "key_size", (int)bpf_map__key_size(it),
			 "value_size", (int)bpf_map__value_size(it), "entries",
			 (json_int_t)bpf_map__max_entries(it), "flags",
			 (json_int_t)bpf_map__map_flags(it), "internal",
			 bpf_map__is_internal(it));
}

static json_t *opened(const void *data, size_t size)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "object");
	struct bpf_object *object = bpf_object__open_mem(data, size, &options);
	json_t *programs, *maps;
	struct bpf_program *each;
	struct bpf_map *one;

	if (!object)
		return NULL;
	programs = json_array();
	maps = json_array();
	bpf_object__for_each_program (each, object) {
		json_array_append_new(programs, program(each));
	}
	bpf_object__for_each_map (one, object) {
		/* It is created, too, to show what maps will be in the other. */
		const struct bpf_map *inner = bpf_map__inner_map(one);

		json_array_append_new(maps, map(one));
		if (inner)
			json_array_append_new(maps, map(inner));
	}
	bpf_object__close(object);
	return json_pack("{s:o, s:o}", "programs", programs, "maps", maps);
}

json_t *contents_take(const struct request *request)
{
	const struct payload *payload = &request->payloads[0];
	json_t *found;
	void *copy;

	if (request->count != 1)
		return answer_error("bad request");
	/* libelf converts in place; the file is not to be written to. */
	copy = malloc(payload->size + 1);
	if (!copy)
		return answer_error("out of memory");
	memcpy(copy, payload->data, payload->size);
	found = opened(copy, payload->size);
	free(copy);
	return found ? found : answer_error_saying("it is not an object");
}
