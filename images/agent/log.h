/* SPDX-License-Identifier: Apache-2.0 */
/* What libbpf prints during an operation, whole: the verifier's log is part of it. */
#ifndef LOG_H
#define LOG_H

#include <jansson.h>
#include <stddef.h>

/* From now on libbpf's words are kept, of every level. */
void log_start(void);
void log_clear(void);
/* Adds a line of the agent's own. */
void log_add(const char *format, ...) __attribute__((format(printf, 1, 2)));
size_t log_size(void);
json_t *log_json(void);

#endif
