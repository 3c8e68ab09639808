/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTENTS_H
#define CONTENTS_H

#include <jansson.h>
#include <stddef.h>

/* {"programs": [{…}], "maps": [{…}]} of a whole object, as libbpf opens it; NULL when
 * it can't.
 */
json_t *contents(const void *data, size_t size);

#endif
