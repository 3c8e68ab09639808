/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <bpf/btf.h>
#include <jansson.h>

/* The kinds of a BTF's types: all of them fit into the processor's cache, the types do
 * not. And all named ones but functions, found by name without its flavor (what
 * follows "___"). */
struct names {
	struct btf *btf;
	__u8 *kinds;
	__u32 *heads;
	__u32 *next;
	__u32 mask;
	/* The first id that is not its base's. */
	__u32 first;
	/* What answers add to ids from there on: those of two modules are the same. */
	__u32 shift;
};

/* Returns the kind of a type that is not the base's. */
static inline int kind_at(const struct names *names, __u32 id)
{
	return names->kinds[id - names->first];
}

/* Returns how answers show a type's id. */
static inline json_int_t names_shown(const struct names *names, __u32 id)
{
	return (json_int_t)id + (id < names->first ? 0 : names->shift);
}

/* Reads names->btf from an id on. Returns false when memory runs out. */
bool names_build(struct names *names, __u32 first);
void names_free(struct names *names);

/* Returns the first id, by size, whose name without flavor is `name`; 0 when there is
 * none. names_next() returns the one after `id`.
 */
__u32 names_first(const struct names *names, const char *name, size_t length);
__u32 names_next(const struct names *names, __u32 id, const char *name, size_t length);

#endif
