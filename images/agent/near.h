/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody who wrote a wrong name may have meant. */
#ifndef NEAR_H
#define NEAR_H

#include <stddef.h>

/* "did you mean X or Y?", or "there are X, Y, …", or "there is none"; to be freed. */
char *near_names(const char *wrong, const char *const *names, size_t count);

#endif
