/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are none, and what libbpf says of the reason. */
#ifndef ANSWER_H
#define ANSWER_H

#include <jansson.h>

json_t *answer_error(const char *text);

/* What libbpf says of a BTF with types that came after it: to itself, and kept here. */
#define UNKNOWN_KIND "Unsupported BTF_KIND:"

/* What libbpf warned of since answer_forget_warnings(), or `text` where it said
 * nothing. */
json_t *answer_error_saying(const char *text);
const char *answer_warnings(void);
void answer_forget_warnings(void);

/* Makes libbpf's warnings come here, not to standard error. */
void answer_keep_warnings(void);

#endif
