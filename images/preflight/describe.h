/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include <jansson.h>

#include "engine.h"
#include "names.h"

/* Names come from files that nobody vouches for: what is not ASCII becomes '?'. */
json_t *describe_text(const char *text);

/* Ids are shown as names_shown() has them.
 *
 * {"name", "type", "text", "kind", "size", "bit_offset", "bits", "signed"}. */
json_t *describe_member(const struct names *names, const struct btf_type *t, int index);

/* {"id", "kind", "name", "text", "size", "to", "count", "members"} of a type, the kind
 * behind its typedefs; "to" is what a pointer points to, or an array's element.
 */
json_t *describe_type(const struct names *names, __u32 id);

/* {"parameters": [{…} …], "returns": {…}} of a FUNC_PROTO, of each {"name", "text",
 * "kind", "size"} and of pointers {"to", "to_kind", "to_size"}, what they point to.
 */
json_t *describe_prototype(const struct names *names, __u32 id);

/* {"text", "kind", "size", "bits", "bit_offset", "signed"} of what a path leads to. */
json_t *describe_field(const struct path *path);

/* {"kind", "name", "text"} of the type that a path begins with. */
json_t *describe_root(const struct path *path);

/* ["thread", 0, "fs"]: members, elements, or an enumerator. */
json_t *describe_steps(const struct path *path);

/* Where each of these steps leads, in bits from the path's beginning. */
json_t *describe_trail(const struct path *path);

#endif
