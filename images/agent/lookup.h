/* SPDX-License-Identifier: Apache-2.0 */
/* Programs and maps of an object, by their names. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "failure.h"

#include <bpf/libbpf.h>

/* NULL with a failure that names what there is. */
struct bpf_program *lookup_program(const struct bpf_object *bpf, const char *name,
				   struct failure *failure);
struct bpf_map *lookup_map(const struct bpf_object *bpf, const char *name,
			   struct failure *failure);

/* Fails: the object has no WHAT "WRONG": did you mean …? Frees `names`, not what is in
 * it.
 */
void fail_with_names(struct failure *failure, const char *what, const char *wrong,
		     const char **names, size_t count);

#endif
