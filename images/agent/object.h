/* SPDX-License-Identifier: Apache-2.0 */
/* BPF objects that are held, from their opening until they are closed. */
#ifndef OBJECT_H
#define OBJECT_H

#include "attachment.h"
#include "compat.h"
#include "failure.h"
#include "listener.h"

#include <bpf/libbpf.h>
#include <stdbool.h>

/* A program, or a struct_ops map; the other one is NULL. */
struct attached {
	const struct bpf_program *program;
	const struct bpf_map *map;
	struct attachment attachment;
};

struct adopted;

struct object {
	int handle;
	/* NULL: another loader loaded it. */
	struct bpf_object *bpf;
	struct adopted *adopted;
	/* NULL: plain libbpf loads it. */
	struct compat *compat;
	struct attached *attached;
	size_t attached_count;
	/* Of its maps. */
	struct listener *listeners;
	struct object *next;
};

/* Holds an object that was opened, under a handle of its own. */
struct object *object_hold(struct bpf_object *bpf, struct compat *compat);
/* The same of what another loader loaded. */
struct object *object_hold_adopted(struct adopted *adopted);

/* The object of a request's "handle", its "program" and its "map"; NULL with a failure
 * that names what there is, or tells that another loader loaded the object; see held.h
 * for both.
 */
struct object *object_argument_of(const json_t *request, struct failure *failure);
/* A program that is loaded, of the object that `request`, a part of one, names. */
int loaded_program_argument(const json_t *request, const char **name,
			    struct failure *failure);
struct bpf_program *program_argument(const struct object *object, const json_t *request,
				     struct failure *failure);
/* Whether it is this agent's own; else with a failure. */
bool require_own(const struct object *object, struct failure *failure);

void object_attached(struct object *object, struct attached attached);
/* NULL when the program is not attached. */
const struct attachment *object_attachment(const struct object *object,
					   const struct bpf_program *program);
bool object_is_registered(const struct object *object, const struct bpf_map *map);
/* Detaches a program, or all when it is NULL; returns the first errno. */
int object_detach(struct object *object, const struct bpf_program *program);

json_t *close_operation(const json_t *request, struct failure *failure);

/* Detaches and closes everything. */
void objects_end(void);

#endif
