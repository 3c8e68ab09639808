/* SPDX-License-Identifier: Apache-2.0 */
/* Why an operation could not be done, as its reply tells it. */
#ifndef FAILURE_H
#define FAILURE_H

#include <jansson.h>

struct failure {
	char *message;
	/* An errno, one of libbpf's own, or 0 when there is none. */
	int error;
};

/* Both return NULL, so that an operation can return what they return. */
json_t *fail(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Appends what `error` means to the message. */
json_t *fail_errno(struct failure *failure, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "EINVAL", or NULL for a number that has no name. */
const char *errno_name(int error);

#endif
