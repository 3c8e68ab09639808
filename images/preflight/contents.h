/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTENTS_H
#define CONTENTS_H

#include <jansson.h>
#include <stddef.h>

/* What numbers of helpers and of types of programs, maps and attachments are called:
 * {"helpers": [NAME …], "programs": …, "maps": …, "attach": …}, empty for unknown ones.
 */
json_t *known_names(void);

/* {"programs": [{…}], "maps": [{…}]} of a whole object, as libbpf opens it; NULL when
 * it can't.
 */
json_t *contents(const void *data, size_t size);

#endif
