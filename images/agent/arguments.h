/* SPDX-License-Identifier: Apache-2.0 */
/* A request's arguments. Each function returns false with a failure that names the
 * argument and tells what it should be.
 */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include "buffer.h"
#include "failure.h"

#include <stdbool.h>

/* Arguments that may be left out, or be null, leave `*value` as it is. */
enum presence { REQUIRED, OPTIONAL };

bool text_argument(const json_t *request, const char *name, enum presence presence,
		   const char **value, struct failure *failure);
bool integer_argument(const json_t *request, const char *name, enum presence presence,
		      json_int_t least, json_int_t most, json_int_t *value,
		      struct failure *failure);
bool seconds_argument(const json_t *request, const char *name, double most,
		      double *value, struct failure *failure);
/* Appends what the argument's base64 holds. */
bool bytes_argument(const json_t *request, const char *name, enum presence presence,
		    struct buffer *value, struct failure *failure);
bool object_argument(const json_t *request, const char *name, enum presence presence,
		     const json_t **value, struct failure *failure);
bool array_argument(const json_t *request, const char *name, const json_t **value,
		    struct failure *failure);

/* Fails with: argument "NAME" must be EXPECTED; it is …. Returns false. */
bool wrong_argument(struct failure *failure, const char *name, const char *expected,
		    const json_t *value);

#endif
