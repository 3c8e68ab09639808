/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel that is asked about: its BTF, and those of modules on top. */
#ifndef TARGET_H
#define TARGET_H

#include "names.h"
#include "request.h"

/* The kernel's own types, then those of each module; none before the first target, and
 * after one that was refused.
 */
extern struct names target_parts[MAX_PAYLOADS];
extern size_t target_count;

/* Whether the kernel's byte order is not this machine's. */
extern bool target_swapped;

/* The request "target". */
json_t *target_take(const struct request *request);

void target_forget(void);

/* Returns the part that has a type of an id as answers show it, and sets `*id` to the
 * type's id in there; NULL when there is none.
 */
const struct names *target_part_of(json_int_t shown, __u32 *id);

/* Returns how answers show the id of a type of one of the BTFs. */
json_int_t target_shown(const struct btf *btf, __u32 id);

#endif
