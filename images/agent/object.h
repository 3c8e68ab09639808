/* SPDX-License-Identifier: Apache-2.0 */
/* BPF objects: opened, loaded, attached and held until they are closed. */
#ifndef OBJECT_H
#define OBJECT_H

#include "failure.h"

#include <bpf/libbpf.h>

struct object;

json_t *open_operation(const json_t *request, struct failure *failure);
json_t *load_operation(const json_t *request, struct failure *failure);
/* A program's instructions as libbpf relocated them, in base64. */
json_t *instructions_operation(const json_t *request, struct failure *failure);
json_t *attach_operation(const json_t *request, struct failure *failure);
json_t *detach_operation(const json_t *request, struct failure *failure);
json_t *close_operation(const json_t *request, struct failure *failure);

/* The object of a request's "handle", its "program" and its "map"; NULL with a failure
 * that tells what there is.
 */
struct object *object_argument_of(const json_t *request, struct failure *failure);
struct bpf_program *program_argument(const struct object *object, const json_t *request,
				     struct failure *failure);
struct bpf_map *map_argument(const struct object *object, const json_t *request,
			     struct failure *failure);

/* By their names; NULL with a failure that tells what there is. */
struct bpf_program *object_program(const struct bpf_object *bpf, const char *name,
				   struct failure *failure);
struct bpf_map *object_map(const struct bpf_object *bpf, const char *name,
			   struct failure *failure);

/* Of an object that is open. */
struct bpf_object *object_bpf(const struct object *object);
/* NULL when the program is not attached. */
const struct bpf_link *object_link(const struct object *object,
				   const struct bpf_program *program);

/* Detaches and closes everything. */
void objects_end(void);

#endif
