// SPDX-License-Identifier: Apache-2.0
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* FNV-1a, a byte at a time. */
#define START 2166136261u
#define STEP(value, byte) (((value) ^ (__u8)(byte)) * 16777619u)

static __u32 hash(const char *name, size_t length)
{
	__u32 value = START;

	for (size_t i = 0; i < length; i++)
		value = STEP(value, name[i]);
	return value;
}

/* Hashes a name without its flavor. Few have one, and libbpf looks for it from the end
 * on, in a walk of its own.
 */
static __u32 hash_essential(const char *name)
{
	__u32 value = START, underscores = 0;
	bool flavored = false;

	for (const char *at = name; *at; at++) {
		value = STEP(value, *at);
		underscores = *at == '_' ? underscores + 1 : 0;
		flavored |= underscores == 3;
	}
	return flavored ? hash(name, bpf_core_essential_name_len(name)) : value;
}

static const char *name_of(const struct btf *btf, __u32 id)
{
	return btf__str_by_offset(btf, btf__type_by_id(btf, id)->name_off);
}

bool names_build(struct names *names, __u32 first)
{
	const struct btf *btf = names->btf;
	__u32 count = btf__type_cnt(btf), size = 1024;

	while (size < count - first)
		size *= 2;
	names->mask = size - 1;
	names->heads = calloc(size, sizeof(*names->heads));
	names->first = first;
	names->next = calloc(count - first + 1, sizeof(*names->next));
	names->kinds = calloc(count - first + 1, sizeof(*names->kinds));
	if (!names->heads || !names->next || !names->kinds)
		return false;
	/* From the last on, so that lists go by rising ids. */
	for (__u32 id = count - 1; id >= first; id--) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *name;
		__u32 *head;

		names->kinds[id - first] = btf_kind(t);
		if (!t->name_off || btf_is_func(t))
			continue;
		name = btf__str_by_offset(btf, t->name_off);
		head = &names->heads[hash_essential(name) & names->mask];
		names->next[id - first] = *head;
		*head = id;
	}
	return true;
}

void names_free(struct names *names)
{
	free(names->heads);
	free(names->next);
	free(names->kinds);
	memset(names, 0, sizeof(*names));
}

static __u32 matching(const struct names *names, __u32 id, const char *name,
		      size_t length)
{
	for (; id; id = names->next[id - names->first]) {
		const char *other = name_of(names->btf, id);

		if (!strncmp(other, name, length) &&
		    bpf_core_essential_name_len(other) == length)
			return id;
	}
	return 0;
}

__u32 names_first(const struct names *names, const char *name, size_t length)
{
	return matching(names, names->heads[hash(name, length) & names->mask], name,
			length);
}

__u32 names_next(const struct names *names, __u32 id, const char *name, size_t length)
{
	return matching(names, names->next[id - names->first], name, length);
}
