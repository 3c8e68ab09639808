/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOVED_H
#define MOVED_H

#include <jansson.h>

#include "names.h"

/* Members called `name` near a type: in structs that it holds or points to, and in
 * those that hold it. [{"access", "type", "text", "kind", "size", "bit_offset"}], where
 * the access begins with the name of a type.
 */
json_t *moved_members(const struct names *names, __u32 holder, const char *name);

#endif
