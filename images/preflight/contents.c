// SPDX-License-Identifier: Apache-2.0
#include "contents.h"

#include "describe.h"

#include <bpf/libbpf.h>

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

json_t *contents(const void *data, size_t size)
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
		json_array_append_new(maps, map(one));
	}
	bpf_object__close(object);
	return json_pack("{s:o, s:o}", "programs", programs, "maps", maps);
}
