/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that are kept, for any number of kernels. */
#ifndef OBJECT_H
#define OBJECT_H

#include "engine.h"
#include "request.h"

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

/* The request "object". */
json_t *object_take(const struct request *request);

/* Returns an object by the number that it was given, or NULL. */
const struct object *object_kept(json_int_t number);

void object_forget_all(void);

#endif
