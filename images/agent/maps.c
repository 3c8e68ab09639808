/* SPDX-License-Identifier: Apache-2.0 */
#include "maps.h"

#include "buffer.h"
#include "held.h"
#include "older.h"
#include "text.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Keys this small are found by trying all of them. */
#define ENUMERABLE_KEY_SIZE 2
#define ABSENT_KEY_TRIES 1000
/* A key that is deleted under the walk starts it again; the walk still ends. */
#define MOST_ROUNDS 4

/* Types whose value is one for each possible CPU (bpf(2) pads each to 8 bytes). */
static const enum bpf_map_type per_cpu_types[] = {
	BPF_MAP_TYPE_PERCPU_HASH,
	BPF_MAP_TYPE_PERCPU_ARRAY,
	BPF_MAP_TYPE_LRU_PERCPU_HASH,
	BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
};

/* Types that are no table of keys. */
static const enum bpf_map_type keyless_types[] = {
	BPF_MAP_TYPE_QUEUE,   BPF_MAP_TYPE_STACK, BPF_MAP_TYPE_BLOOM_FILTER,
	BPF_MAP_TYPE_RINGBUF, USER_RINGBUF,
};

struct dump {
	int map;
	size_t key_size, value_size;
	uint32_t max_entries;
	/* Values in one row, and what the kernel writes for each. */
	size_t cpus, stride;
	bool per_cpu;
	unsigned char *key, *next, *value;
	/* A row for each key, by the key's base64, in the order in which they came. */
	json_t *rows;
};

static bool is_one_of(enum bpf_map_type type, const enum bpf_map_type *types,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (types[i] == type)
			return true;
	return false;
}
#define IS_ONE_OF(type, types) is_one_of(type, types, sizeof(types) / sizeof(*(types)))

static json_t *row_json(const struct dump *dump, json_t *key)
{
	json_t *values;

	if (!dump->per_cpu)
		return json_pack("{s:o, s:o}", "key", key, "value",
				 base64_json(dump->value, dump->value_size));
	values = json_array();
	for (size_t cpu = 0; cpu < dump->cpus; cpu++)
		json_array_append_new(values,
				      base64_json(dump->value + cpu * dump->stride,
						  dump->value_size));
	return json_pack("{s:o, s:o}", "key", key, "values", values);
}

/* A row that some types never let be read, such as that of a perf event array. */
static json_t *error_json(int error, json_t *key)
{
	return json_pack("{s:o, s:o}", "key", key, "error",
			 string_json(strerror(error)));
}

/* Adds the row of `dump->key`, unless it is gone. */
static void add_row(struct dump *dump)
{
	int error = 0;
	json_t *key;

	if (bpf_map_lookup_elem(dump->map, dump->key, dump->value) < 0)
		error = errno;
	if (error == ENOENT)
		return;
	key = base64_json(dump->key, dump->key_size);
	if (json_object_get(dump->rows, json_string_value(key)))
		json_decref(key);
	else
		json_object_set_new(dump->rows, json_string_value(key),
				    error ? error_json(error, key)
					  : row_json(dump, key));
}

/* Walks from the key after `from`, or from the first one when it is NULL. */
static int walk(struct dump *dump, const void *from)
{
	uint64_t steps = (uint64_t)dump->max_entries * MOST_ROUNDS + 1;

	while (steps--) {
		if (bpf_map_get_next_key(dump->map, from, dump->next) < 0)
			return errno == ENOENT ? 0 : errno;
		memcpy(dump->key, dump->next, dump->key_size);
		add_row(dump);
		from = dump->key;
	}
	return 0;
}

static int try_all_keys(struct dump *dump)
{
	for (uint32_t number = 0; number < 1u << (8 * dump->key_size); number++) {
		for (size_t i = 0; i < dump->key_size; i++)
			dump->key[i] = (unsigned char)(number >> (8 * i));
		add_row(dump);
	}
	return 0;
}

/* Walks from a key that is not in the map, whose successor is the first one: 4.4 takes
 * no NULL. For arrays it is an index past the end.
 */
static int walk_from_absent_key(struct dump *dump)
{
	if (dump->key_size <= ENUMERABLE_KEY_SIZE)
		return try_all_keys(dump);
	memset(dump->key, 0xff, dump->key_size);
	for (int tries = 0; tries < ABSENT_KEY_TRIES; tries++) {
		if (bpf_map_lookup_elem(dump->map, dump->key, dump->value) < 0) {
			unsigned char *absent;
			int error;

			if (errno != ENOENT)
				return errno;
			absent = must_resize(NULL, dump->key_size, 1);
			memcpy(absent, dump->key, dump->key_size);
			error = walk(dump, absent);
			free(absent);
			return error;
		}
		for (size_t i = 0; i < dump->key_size; i++)
			dump->key[i] = (unsigned char)random();
	}
	return EFAULT;
}

static json_t *rows_json(const struct dump *dump, const struct held_map *map)
{
	json_t *rows = json_array(), *row;
	const char *key;

	json_object_foreach (dump->rows, key, row)
		json_array_append(rows, row);
	return json_pack("{s:o, s:I, s:I}", "rows", rows, "btf_key_type",
			 (json_int_t)map->key_type, "btf_value_type",
			 (json_int_t)map->value_type);
}

static json_t *dump_map(struct dump *dump, const struct held_map *map,
			struct failure *failure)
{
	size_t value_size = dump->cpus * dump->stride;
	json_t *rows = NULL;
	int error;

	dump->key = must_resize(NULL, dump->key_size, 1);
	dump->next = must_resize(NULL, dump->key_size, 1);
	dump->value = must_resize(NULL, value_size, 1);
	memset(dump->value, 0, value_size);
	dump->rows = json_object();
	error = walk(dump, NULL);
	if (error == EFAULT)
		error = walk_from_absent_key(dump);
	if (error)
		fail_errno(failure, error, "can't read map %s", map->name);
	else
		rows = rows_json(dump, map);
	json_decref(dump->rows);
	free(dump->key);
	free(dump->next);
	free(dump->value);
	return rows;
}

json_t *dump_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct dump dump = {0};
	struct held_map map;
	int cpus = 1;

	if (!object || !held_map_argument(object, request, &map, failure))
		return NULL;
	dump.map = map.descriptor;
	if (dump.map < 0)
		return fail(failure,
			    "map %s does not exist; is the object loaded, "
			    "and does the kernel have global data?",
			    map.name);
	if (IS_ONE_OF(map.type, keyless_types))
		return fail(failure, "map %s has no keys: it is of type %s", map.name,
			    libbpf_bpf_map_type_str(map.type));
	dump.key_size = map.key_size;
	dump.value_size = map.value_size;
	dump.max_entries = map.max_entries;
	dump.per_cpu = IS_ONE_OF(map.type, per_cpu_types);
	if (dump.per_cpu)
		cpus = libbpf_num_possible_cpus();
	if (cpus < 0)
		return fail_errno(failure, -cpus, "can't count the possible CPUs");
	dump.cpus = (size_t)cpus;
	dump.stride = (dump.value_size + 7) & ~(size_t)7;
	return dump_map(&dump, &map, failure);
}
