/* SPDX-License-Identifier: Apache-2.0 */
/* Programs and maps that are in the kernel, whoever loaded them, and those that another
 * loader handed over.
 */
#ifndef ADOPTED_H
#define ADOPTED_H

#include "failure.h"

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

/* The instructions of programs by their ids, as traced loaders handed them to the
 * kernel; see trace.h.
 */
#define HANDED_FOLDER "/run/handed"
#define HANDED_PATH_SIZE (sizeof(HANDED_FOLDER) + 16)

void handed_path(char path[HANDED_PATH_SIZE], uint32_t id);

struct held_program {
	const char *name;
	int descriptor;
	uint32_t id;
	enum bpf_prog_type type;
};

struct held_map {
	const char *name;
	int descriptor;
	uint32_t id;
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries;
	/* In the object's BTF; 0 when it declares none. */
	uint32_t key_type, value_type;
};

/* What another loader loaded, by names. */
struct adopted {
	struct held_program *programs;
	size_t program_count;
	struct held_map *maps;
	size_t map_count;
};

/* A program and a map by its name; false with a failure that names what there is. */
bool adopted_program(const struct adopted *adopted, const char *name,
		     struct held_program *found, struct failure *failure);
bool adopted_map(const struct adopted *adopted, const char *name,
		 struct held_map *found, struct failure *failure);

/* Takes over {"name", "id"}s; NULL with a failure. Needs 4.13. */
struct adopted *adopted_open(const json_t *programs, const json_t *maps,
			     struct failure *failure);
void adopted_close(struct adopted *adopted);

#endif
