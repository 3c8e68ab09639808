/* SPDX-License-Identifier: Apache-2.0 */
#include "describe.h"

#include "older.h"
#include "text.h"

/* "kprobe"; null for a type that this libbpf has no name for. */
static json_t *name_json(const char *name)
{
	return name ? string_json(name) : json_null();
}

json_t *describe_program(const struct bpf_program *program)
{
	const char *type = libbpf_bpf_prog_type_str(bpf_program__type(program));

	return json_pack("{s:o, s:o}", "name", string_json(bpf_program__name(program)),
			 "type", name_json(type));
}

json_t *describe_map(const struct bpf_map *map)
{
	const char *type = libbpf_bpf_map_type_str(bpf_map__type(map));

	return json_pack("{s:o, s:o, s:I, s:I, s:I}", "name",
			 string_json(bpf_map__name(map)), "type", name_json(type),
			 "key_size", (json_int_t)bpf_map__key_size(map), "value_size",
			 (json_int_t)bpf_map__value_size(map), "max_entries",
			 (json_int_t)bpf_map__max_entries(map));
}
