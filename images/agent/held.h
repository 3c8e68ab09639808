/* SPDX-License-Identifier: Apache-2.0 */
/* Programs and maps of a request's object: the agent's libbpf loaded them, or another
 * loader whose object was adopted.
 */
#ifndef HELD_H
#define HELD_H

#include "adopted.h"
#include "object.h"

/* A request's "program" and "map" of an object; a descriptor is negative for what is
 * not loaded. False with a failure that names what there is.
 */
bool held_program_argument(const struct object *object, const json_t *request,
			   struct held_program *found, struct failure *failure);
bool held_map_argument(const struct object *object, const json_t *request,
		       struct held_map *found, struct failure *failure);

/* {"programs": [{"name", "id"}], "maps": [{"name", "id"}]} of another loader: returns
 * a handle, and what a load of this agent's own returns. Needs 4.13.
 */
json_t *adopt_operation(const json_t *request, struct failure *failure);

#endif
