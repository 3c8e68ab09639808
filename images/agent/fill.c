/* SPDX-License-Identifier: Apache-2.0 */
#include "fill.h"

#include "arguments.h"
#include "lookup.h"
#include "object.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_per_cpu(enum bpf_map_type type)
{
	return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static bool has_size(const struct buffer *bytes, __u32 size, const char *what,
		     struct failure *failure)
{
	if (bytes->size != size)
		fail(failure, "a %s of the map has %u bytes, not %zu", what, size,
		     bytes->size);
	return bytes->size == size;
}

/* As bpf(2) takes it: a value for each possible processor, in words of 8 bytes. */
static void for_each_cpu(const struct buffer *value, struct buffer *all)
{
	size_t step = (value->size + 7) & ~(size_t)7;
	int cpus = libbpf_num_possible_cpus();

	for (int cpu = 0; cpu < cpus; cpu++) {
		buffer_append(all, value->data, value->size);
		buffer_append(all, "\0\0\0\0\0\0\0", step - value->size);
	}
}

static bool write_row(const struct bpf_map *map, const struct buffer *key,
		      const struct buffer *value, struct failure *failure)
{
	struct buffer all = {0};
	int error;

	if (!has_size(key, bpf_map__key_size(map), "key", failure) ||
	    !has_size(value, bpf_map__value_size(map), "value", failure))
		return false;
	if (is_per_cpu(bpf_map__type(map)))
		for_each_cpu(value, &all);
	error = bpf_map_update_elem(bpf_map__fd(map), key->size ? key->data : NULL,
				    all.size ? all.data : value->data, BPF_ANY);
	if (error)
		fail_errno(failure, errno, "a row can't be written into map %s",
			   bpf_map__name(map));
	buffer_free(&all);
	return !error;
}

json_t *fill_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	const json_t *rows, *row;
	const struct bpf_map *map;
	const char *name;
	size_t i;

	if (!object || !require_own(object, failure) ||
	    !text_argument(request, "map", REQUIRED, &name, failure) ||
	    !array_argument(request, "rows", &rows, failure))
		return NULL;
	map = lookup_map(object->bpf, name, failure);
	if (!map)
		return NULL;
	json_array_foreach (rows, i, row) {
		struct buffer key = {0}, value = {0};
		bool done = bytes_argument(row, "key", OPTIONAL, &key, failure) &&
			    bytes_argument(row, "value", REQUIRED, &value, failure) &&
			    write_row(map, &key, &value, failure);

		buffer_free(&key);
		buffer_free(&value);
		if (!done)
			return NULL;
	}
	return json_object();
}
