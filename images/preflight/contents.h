/* SPDX-License-Identifier: Apache-2.0 */
/* What libbpf finds in an object, and what it calls things. */
#ifndef CONTENTS_H
#define CONTENTS_H

#include "request.h"

/* The request "names": what numbers of helpers and of types of programs, maps and
 * attachments are called, empty for unknown ones.
 */
json_t *contents_names(const struct request *request);

/* The request "contents": programs and maps of a whole object, as libbpf opens it. */
json_t *contents_take(const struct request *request);

#endif
