/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody who wrote a wrong name may have meant. */
#ifndef SUGGEST_H
#define SUGGEST_H

#include <stddef.h>

/* "did you mean X or Y?", or "there are X, Y, …", or "there is none"; to be freed. */
char *suggest_names(const char *wrong, const char *const *names, size_t count);

#endif
