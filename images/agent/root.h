/* SPDX-License-Identifier: Apache-2.0 */
/* A root file system of the user's own, in which an operation finds its files. */
#ifndef ROOT_H
#define ROOT_H

#include "failure.h"

#include <stdbool.h>

/* Takes the argument "root", which may be left out, from a request. */
bool root_argument(const json_t *request, const char **root, struct failure *failure);

/* Makes a folder this process's root until root_leave(), which the caller must call; a
 * NULL root changes nothing. Returns false with a failure.
 */
bool root_enter(const char *root, struct failure *failure);
void root_leave(void);

#endif
